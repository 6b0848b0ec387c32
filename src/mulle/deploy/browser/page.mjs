// The page: a form made from the bundle's request schema, its answer, and the golden rows.
import { prove } from "./golden.mjs";
import { load } from "./predict.mjs";

const $ = (id) => document.getElementById(id);
const make = (tag, held = {}, ...inner) => { const it = Object.assign(document.createElement(tag), held); it.append(...inner); return it; };
const shown = (value) => new Intl.NumberFormat("en", { maximumSignificantDigits: 6 }).format(value);
const integrity = document.querySelector("meta[name=mulle-integrity]").content;
const UNKNOWN = "not known";
const HINTS = { datetime: "date or moment", place: "degrees", id: "id" };
let bundle, examples = [], turn = 0;

function kindsOf({ request }) { // of each raw column: its own kind; within a formula, the kind that it is read as
  const kinds = new Map(), plain = request.filter((e) => e.kind !== "formula");
  for (const entry of plain) for (const name of entry.columns) kinds.set(name, kinds.get(name) ?? entry.kind);
  for (const entry of request) for (const read of entry.options.reads ?? [])
    if (!kinds.has(read.columns[0])) kinds.set(read.columns[0], read.kind);
  return kinds;
}

function field(name, kind, i) {
  const id = `field-${i}`, held = { id, name };
  const seen = [...new Set(examples.map((row) => row[name]).filter((value) => value !== null && value !== ""))];
  const label = make("label", { htmlFor: id }, name, make("small", {}, kind === "list" ? ["a", "b", "c"].join(separatorOf(name)) : (HINTS[kind] ?? "")));
  if (kind === "boolean") {
    const options = ["", "true", "false"].map((value) => make("option", { value }, value || UNKNOWN));
    return make("div", { className: "field" }, label, make("select", held, ...options));
  }
  if (kind === "text") return make("div", { className: "field wide" }, label, make("textarea", { ...held, placeholder: UNKNOWN }));
  const input = make("input", { ...held, placeholder: UNKNOWN, spellcheck: false });
  if (kind === "number" || kind === "place") input.inputMode = "decimal";
  const field_ = make("div", { className: "field" }, label, input);
  if (kind === "category" && seen.length) {
    input.setAttribute("list", `${id}-seen`);
    field_.append(make("datalist", { id: `${id}-seen` }, ...seen.sort().map((value) => make("option", { value }))));
  }
  return field_;
}

const separatorOf = (name) => bundle.manifest.request.find((e) => e.columns[0] === name && e.kind === "list")?.options.separator || "|";

function fill(row) {
  for (const name of bundle.columns) {
    const value = row[name], input = $("form").elements[name];
    input.value = value === null || value === undefined ? "" : Array.isArray(value) ? value.join(separatorOf(name)) : String(value);
  }
}

const row = () => Object.fromEntries(bundle.columns.map((name) => [name, $("form").elements[name].value]));
const parameters = () => Object.fromEntries([...$("parameters").querySelectorAll("input")].map((i) => [i.dataset.name, i.valueAsNumber])
  .filter(([, value]) => Number.isFinite(value)));

function bar(name, value) {
  const words = make("span", {}, make("span", {}, name), make("b", {}, `${(100 * value).toFixed(1)} %`));
  return make("div", { className: "bar" }, words, make("meter", { min: 0, max: 1, value, ariaLabel: name }));
}

function draw({ prediction, decision }) {
  const { classes } = bundle, two = classes.length === 2 && prediction.length === 1;
  const shares = two ? [1 - prediction[0], prediction[0]] : prediction;
  const numbers = !classes.length || shares.length !== classes.length;
  $("decision").value = typeof decision === "number" ? shown(decision) : decision;
  $("bars").replaceChildren(...(numbers
    ? prediction.map((value) => make("p", { className: "label" }, `Prediction ${shown(value)}`))
    : classes.map((name, i) => [name, shares[i]]).sort((a, b) => b[1] - a[1]).slice(0, 8).map(([name, share]) => bar(name, share))));
}

async function answer() {
  const began = performance.now(), faulty = $("form").querySelector(".faulty");
  faulty?.classList.remove("faulty");
  try {
    draw(await bundle.predict(row(), parameters()));
    $("reason").hidden = true;
    $("time").textContent = `Computed here in ${(performance.now() - began).toFixed(1)} ms.`;
  } catch (error) {
    const column = bundle.columns.find((name) => error.message.startsWith(`column '${name}':`));
    $("form").elements[column]?.closest(".field").classList.add("faulty");
    [$("decision").value, $("reason").hidden, $("reason").textContent] = ["–", false, error.message];
    $("bars").replaceChildren();
    $("time").textContent = "";
  }
}

async function show() {
  const found = await prove(bundle);
  $("proof").textContent = found.ok
    ? `✓ ${found.rows} rows, all decisions equal, largest difference ${found.worst.toPrecision(2)} of the tolerance.`
    : `✗ ${found.decisions} of ${found.rows} decisions differ, largest difference ${found.worst.toPrecision(2)} × the tolerance.`;
  return found;
}

async function begin() {
  const began = performance.now();
  bundle = await load(new URL("./", import.meta.url), { integrity });
  const { manifest } = bundle;
  await bundle.predict([Object.fromEntries(bundle.columns.map((name) => [name, null]))]); // the first one is slow
  examples = JSON.parse(new TextDecoder().decode(await bundle.file("golden/rows.json"))).rows;
  $("facts").textContent = `${manifest.task} · ${bundle.columns.length} columns · ${manifest.stamp} · opened in ` +
    `${Math.round(performance.now() - began)} ms`;
  const kinds = kindsOf(manifest);
  $("fields").replaceChildren(...bundle.columns.map((name, i) => field(name, kinds.get(name), i)));
  const inputs = Object.entries(bundle.parameters).map(([name, value]) => {
    const input = make("input", { type: "number", step: "any", value });
    input.dataset.name = name;
    return make("label", {}, name.replaceAll("_", " "), input);
  });
  $("parameters").replaceChildren(...inputs);
  $("policy").hidden = !inputs.length;
  $("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    await answer();
    document.querySelector(".answer").scrollIntoView({ block: "nearest" }); // on a phone it lies below the form
  });
  $("parameters").addEventListener("change", answer);
  $("prove").addEventListener("click", show);
  $("example").addEventListener("click", () => { fill(examples[turn++ % examples.length]); answer(); });
  if (examples.length) $("example").click();
  else $("example").disabled = true;
  navigator.serviceWorker?.register("offline.js").catch(() => {}); // from then on it opens without a network
}

// for tests and for the curious: the open bundle, and what proves it
globalThis.mulle = begin().then(() => ({ bundle, prove: (golden) => prove(bundle, golden) }));
globalThis.mulle.catch((error) => { $("facts").textContent = `The model can't be opened: ${error.message}`; });
