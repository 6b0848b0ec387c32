import { Refused, ask, el } from "./words.js";

const at = (id) => document.getElementById(id);
let api = null;

const resolve = (schema) => (schema && schema.$ref ? api.components.schemas[schema.$ref.split("/").pop()] : schema) || {};
const refers = (schema) => (schema && schema.$ref ? schema.$ref.split("/").pop() : "");

function type(schema) {
  if (schema.$ref) return refers(schema);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.anyOf || schema.oneOf) return (schema.anyOf || schema.oneOf).map((one) => (one.format || type(one))).join(" | ");
  const name = [schema.type || "any"].flat().join(" | ");
  return schema.items ? `${name} of ${type(schema.items)}` : name;
}

function typicalRow() {
  const row = api.components.schemas.Row;
  if (row.examples?.length) return row.examples[0];
  return Object.fromEntries(row.required.map((name) => [name, null]));
}

const BODIES = {
  PredictRequest: () => ({ row: typicalRow() }),
  ExplainRequest: () => ({ row: typicalRow() }),
  FeedbackRequest: () => ({ prediction_id: "as it was answered", outcome: api.components.schemas.Prediction.properties.decision.enum?.[0] ?? 1 }),
  InferRequest: () => ({
    inputs: Object.entries(typicalRow()).map(([name, value]) => ({
      name, datatype: typeof value === "number" ? "FP64" : typeof value === "boolean" ? "BOOL" : "BYTES", shape: [1], data: [value],
    })),
  }),
};

function python(value, indent = "") {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  const next = `${indent}    `;
  if (Array.isArray(value)) return `[${value.map((held) => python(held, indent)).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  const lines = Object.entries(value).map(([name, held]) => `${next}${JSON.stringify(name)}: ${python(held, next)},`);
  return `{\n${lines.join("\n")}\n${indent}}`;
}

function samples(method, path, body) {
  const url = `${location.origin}${path}`;
  const secret = Boolean(api.components.securitySchemes);
  const json = JSON.stringify(body, null, 2);
  const key = (text) => (secret ? text : "");
  if (!body) {
    return {
      curl: `curl ${url}${key(' \\\n  -H "Authorization: Bearer $MULLE_KEY"')}`,
      Python: `import urllib.request\n\nprint(urllib.request.urlopen("${url}").read().decode())`,
      JavaScript: `console.log(await (await fetch("${url}")).text());`,
    };
  }
  return {
    curl: `curl ${url} \\\n  -H 'Content-Type: application/json' \\\n${key('  -H "Authorization: Bearer $MULLE_KEY" \\\n')}  -d @- <<'JSON'\n${json}\nJSON`,
    Python: `import json, ${key("os, ")}urllib.request\n\nbody = ${python(body)}\nrequest = urllib.request.Request(\n    "${url}",\n    json.dumps(body).encode(),\n    {"Content-Type": "application/json"${key(', "Authorization": f"Bearer {os.environ[\'MULLE_KEY\']}"')}},\n)\nprint(json.load(urllib.request.urlopen(request)))`,
    JavaScript: `const answer = await fetch("${url}", {\n  method: "${method.toUpperCase()}",\n  headers: { "Content-Type": "application/json"${key(", Authorization: `Bearer ${key}`")} },\n  body: JSON.stringify(${json.replace(/\n/g, "\n  ")}),\n});\nconsole.log(await answer.json());`,
  };
}

function copied(text) {
  const button = el("button", { type: "button", class: "copy" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select it";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  return button;
}

function tabs(held, name) {
  const pre = el("pre", { tabindex: "0", "aria-label": `Example for ${name}` });
  const row = el("div", { class: "tabs", role: "tablist", "aria-label": `Examples for ${name}` });
  const choose = (language) => {
    pre.textContent = held[language];
    for (const button of row.children) button.setAttribute("aria-selected", String(button.textContent === language));
  };
  for (const language of Object.keys(held)) row.append(el("button", { type: "button", role: "tab", on: { click: () => choose(language) } }, language));
  choose(Object.keys(held)[0]);
  return [row, el("div", { class: "sample" }, pre, copied(() => pre.textContent))];
}

function table(heads, rows) {
  const body = el("tbody", {}, ...rows.map((cells) => el("tr", {}, ...cells.map((cell) => el("td", {}, cell)))));
  return el("div", { class: "wide" }, el("table", {}, el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))), body));
}

const content = (held) => Object.entries(held.content || {}).map(([kind, one]) => {
  const name = refers(one.schema);
  return `${name || [one.schema?.type || ""].flat().join(" | ")} (${kind})`;
}).join(", ");

function route(path, method, operation) {
  const ref = refers(operation.requestBody?.content?.["application/json"]?.schema);
  const body = ref && BODIES[ref] ? BODIES[ref]() : null;
  const head = el("summary", {}, el("span", { class: `method is-${method}` }, method.toUpperCase()), el("code", { class: "path" }, path),
    el("span", { class: "hint" }, operation.summary || ""));
  const inside = el("div", { class: "inside" });
  if (operation.description) inside.append(el("p", {}, operation.description.replaceAll("`", "")));
  inside.append(...tabs(samples(method, path, body), path));
  const parameters = operation.parameters || [];
  if (parameters.length) inside.append(table(["parameter", "in", "meaning"], parameters.map((held) => [held.name, held.in, held.description || ""])));
  const statuses = Object.entries(operation.responses).map(([status, held]) => [status, held.description.replaceAll("`", ""), content(held)]);
  inside.append(table(["status", "when", "body"], statuses));
  return el("details", { open: path === "/v1/predict" }, head, inside);
}

function schema(name, held) {
  const properties = Object.entries(held.properties || {});
  const required = new Set(held.required || []);
  const rows = properties.map(([key, one]) => {
    const examples = (one.examples || []).map((value) => JSON.stringify(value)).join(", ");
    const words = [one.description || resolve(one).description || "", examples ? `For example: ${examples}` : ""].filter(Boolean).join(" ");
    return [el("code", {}, required.has(key) ? `${key} *` : key), type(one), words];
  });
  const inside = el("div", { class: "inside" });
  if (held.description) inside.append(el("p", {}, held.description.replaceAll("`", "")));
  inside.append(rows.length ? table(["name (* required)", "type", "meaning"], rows) : el("p", { class: "hint" }, type(held)));
  const summary = el("summary", {}, el("code", { class: "path" }, name), el("span", { class: "hint" }, `${properties.length || ""}${properties.length ? " fields" : ""}`));
  return el("details", { id: `schema-${name}`, open: name === "Row" }, summary, inside);
}

async function start() {
  try {
    api = await ask("/openapi.json");
  } catch (problem) {
    if (!(problem instanceof Refused)) throw problem;
    at("docs").replaceChildren(el("p", { role: "alert" }, `${problem.message}; ${problem.fix}.`));
    return;
  }
  document.title = `API of ${api.info.title} · Mulle`;
  at("name").textContent = `The API of ${api.info.title}`;
  at("goal").textContent = api.info.description;
  const groups = { "Predictions": [], "Open Inference Protocol": [], "Probes, metrics and pages": [] };
  for (const [path, methods] of Object.entries(api.paths)) {
    const group = path.startsWith("/v1") ? "Predictions" : path.startsWith("/v2") ? "Open Inference Protocol" : "Probes, metrics and pages";
    for (const [method, operation] of Object.entries(methods)) groups[group].push(route(path, method, operation));
  }
  const sections = Object.entries(groups).map(([name, held]) => el("section", {}, el("h2", {}, name), ...held));
  const schemas = Object.entries(api.components.schemas).map(([name, held]) => schema(name, held));
  at("docs").replaceChildren(...sections, el("section", {}, el("h2", {}, "Schemas"), ...schemas));
  document.body.dataset.done = "1";
}

start();
