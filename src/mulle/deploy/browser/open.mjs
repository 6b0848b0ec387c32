// Opens a bundle's folder: each file is held against its hash before it is used.
const ORT = "ort/ort.wasm.bundle.min.mjs", WASM = "ort/ort-wasm-simd-threaded.wasm";

/** @param base the folder's URL; @param integrity the hash of integrity.json, where the page knows it;
 *  @param get how to fetch a checked file: (url, integrity) => Response. */
export async function opened(base, { integrity, get = fetched } = {}) {
  const hashes = await (await get(new URL("integrity.json", base), integrity)).json();
  const file = async (name) => {
    if (!Object.hasOwn(hashes, name)) throw new Error(`'${name}' doesn't belong to this folder`);
    return new Uint8Array(await (await get(new URL(name, base), hashes[name])).arrayBuffer());
  };
  const [wasm, text] = await Promise.all([file(WASM), file("manifest.json"), file(ORT)]);
  const ort = await import(new URL(ORT, base));
  Object.assign(ort.env.wasm, { wasmBinary: wasm, numThreads: 1, proxy: false });
  const manifest = JSON.parse(new TextDecoder().decode(text));
  const graphs = [];
  for (const step of manifest.steps)
    if (step.file) graphs.push({ step, session: await ort.InferenceSession.create(await file(step.file)) });
  return { ort, manifest, graphs, file };
}

async function fetched(url, integrity) {
  const response = await fetch(url, integrity ? { integrity } : {});
  return response.ok ? response : Promise.reject(new Error(`${url} answers ${response.status}`));
}
