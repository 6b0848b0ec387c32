// Keeps this folder's files, so that the page opens without a network. Another export is another cache.
const OURS = `mulle ${self.registration.scope} `, KEPT = `${OURS}@{version}`, FILES = @{files};
self.addEventListener("install", (event) => event.waitUntil(caches.open(KEPT).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(caches.keys().then((names) =>
  Promise.all(names.filter((name) => name.startsWith(OURS) && name !== KEPT).map((name) => caches.delete(name)))).then(() => self.clients.claim())));
// the network first: a new export must not be mixed with kept files of the old one
self.addEventListener("fetch", (event) => event.respondWith(fetch(event.request).catch(() => caches.match(event.request, { ignoreSearch: true }))));
