(function () {
  "use strict";
  var folded = [];
  addEventListener("beforeprint", function () {
    folded = Array.prototype.slice.call(document.querySelectorAll("details:not([open]):not(.numbers)"));
    folded.forEach(function (d) { d.open = true; });
  });
  addEventListener("afterprint", function () {
    folded.forEach(function (d) { d.open = false; });
  });
  if (!("IntersectionObserver" in window)) { return; }
  var links = {};
  document.querySelectorAll("nav a").forEach(function (a) { links[a.hash.slice(1)] = a; });
  var watch = new IntersectionObserver(function (seen) {
    seen.forEach(function (entry) {
      var link = links[entry.target.id];
      if (!link || !entry.isIntersecting) { return; }
      document.querySelectorAll("nav a[aria-current]").forEach(function (a) { a.removeAttribute("aria-current"); });
      link.setAttribute("aria-current", "true");
    });
  }, { rootMargin: "-20% 0px -75% 0px" });
  document.querySelectorAll("main > header, main > section").forEach(function (s) { watch.observe(s); });
})();
