import { Refused, ask, el, key, number, percent, points, shown } from "./words.js";

const at = (id) => document.getElementById(id);
const fields = new Map(); // by column: { column, box, read, fill }
const OTHER = "\u0000other";
const UNKNOWN = "\u0000unknown";
const MOST_EFFECTS = 8;
const MOST_CHIPS = 12;
const MOST_PICTURE = 700_000; // characters
const MOST_LINKED = 4_000;
let about = null;
let asked = 0;

// ------------------------------------------------------------------------------------------- fields

const brief = (value) => (typeof value === "number" ? number(value) : shown(value));
const usual = (column) => {
  const parts = [];
  if (column.low !== undefined && column.low !== null) parts.push(`usually ${brief(column.low)} to ${brief(column.high)}`);
  else if (column.lengths) parts.push(`usually ${number(column.lengths[0])} to ${number(column.lengths[2])} characters`);
  if (column.missing >= 0.005) parts.push(`not known in ${percent(column.missing)} of rows`);
  return parts.join("; ");
};

function field(column, i) {
  const id = `field-${i}`;
  const made = (MAKE[column.kind] || MAKE.text)(column, id);
  const hint = [usual(column), made.hint].filter(Boolean).join("; ");
  const problem = el("p", { class: "problem", id: `${id}-problem`, hidden: true });
  const label = el("label", { for: id }, column.name);
  const box = el("div", { class: `field is-${column.kind}` }, label, made.box);
  if (hint) box.append(el("p", { class: "hint", id: `${id}-hint` }, hint));
  box.append(problem);
  made.input.setAttribute("aria-describedby", `${id}-hint ${id}-problem`);
  fields.set(column.name, { column, box, problem, ...made });
  return box;
}

function input(id, attributes) {
  return el("input", { id, autocomplete: "off", spellcheck: "false", ...attributes });
}

function plain(column, id, attributes, read, write = (value) => value ?? "") {
  const held = input(id, attributes);
  return {
    input: held, box: held,
    read: () => (held.value.trim() === "" ? null : read(held.value.trim())),
    fill: (value) => { held.value = write(value); },
  };
}

function choice(id, levels, said, free) {
  const held = el("select", { id });
  for (const level of levels) held.append(el("option", { value: JSON.stringify(level) }, said(level)));
  held.append(el("option", { value: UNKNOWN }, "— not known —"));
  const other = free ? input(`${id}-other`, { "aria-label": "Another word", placeholder: "another word", hidden: true }) : null;
  if (free) held.append(el("option", { value: OTHER }, "other …"));
  const turn = () => { if (other) other.hidden = held.value !== OTHER; };
  held.addEventListener("change", () => { turn(); if (other && !other.hidden) other.focus(); });
  return {
    input: held,
    box: other ? el("div", { class: "choice" }, held, other) : held,
    read: () => {
      if (held.value === UNKNOWN) return null;
      return held.value === OTHER ? other.value.trim() || null : JSON.parse(held.value);
    },
    fill: (value) => {
      const known = levels.some((level) => level === value);
      if (value === null || value === undefined) held.value = UNKNOWN;
      else if (known) held.value = JSON.stringify(value);
      else if (other) { held.value = OTHER; other.value = value; }
      turn();
    },
  };
}

const READS = {
  number: "This is no number. Leave it empty when it isn't known.",
  place: "This is no latitude or longitude in degrees. Leave it empty when it isn't known.",
  datetime: "This is no date that can be read. Leave it empty when it isn't known.",
  image: "This is no PNG or JPEG picture that can be read.",
};
const words = (column) => (column.levels || []).map(([level]) => level);
const DATE = { type: "date" };
const MOMENT = { type: "datetime-local", step: "1" };

const read = (file) => new Promise((done) => {
  const reader = new FileReader();
  reader.addEventListener("load", () => done(reader.result));
  reader.addEventListener("error", () => done(null));
  reader.readAsDataURL(file);
});

// A request may hold 1 MiB unless the operator says otherwise, and a telephone's picture is larger than that.
async function sent(file) {
  const whole = await read(file);
  if (!whole || whole.length <= MOST_PICTURE) return { address: whole };
  const picture = await createImageBitmap(file).catch(() => null);
  for (let side = 2048; picture && side >= 256; side /= 2) {
    const scale = Math.min(1, side / Math.max(picture.width, picture.height));
    const [width, height] = [picture.width, picture.height].map((size) => Math.max(1, Math.round(size * scale)));
    const canvas = el("canvas", { width, height });
    canvas.getContext("2d").drawImage(picture, 0, 0, width, height);
    const address = canvas.toDataURL("image/jpeg", 0.92);
    const words = `It was made smaller to be sent: from ${picture.width} × ${picture.height} to ${width} × ${height} pixels. What the model answers may differ a little.`;
    if (address.length <= MOST_PICTURE) return { address, words };
  }
  return { address: whole };
}

const MAKE = {
  number: (column, id) => plain(column, id, { type: "text", inputmode: "decimal" }, (text) => {
    const value = Number(text.replace(/[\s\u00a0]/g, ""));
    return Number.isFinite(value) ? value : text; // the server reads texts as training did, or says what is wrong
  }, (value) => (value === null || value === undefined ? "" : String(value))),
  boolean: (column, id) => choice(id, [true, false], (value) => (value ? "yes" : "no"), false),
  category: (column, id) => (words(column).length
    ? choice(id, words(column), (value) => value, true)
    : plain(column, id, { type: "text" }, (text) => text)),
  datetime: (column, id) => {
    const days = column.whole === true;
    const made = plain(column, id, days ? DATE : MOMENT, (text) => (days ? text : `${text.length === 16 ? `${text}:00` : text}Z`),
      (value) => (typeof value === "string" ? value.replace(/Z$/, "").slice(0, days ? 10 : 19) : ""));
    return { ...made, hint: days ? "" : "in UTC" };
  },
  list: (column, id) => {
    const mark = words(column).some((word) => word.includes(",")) ? ";" : ",";
    const split = (text) => text.split(mark).map((word) => word.trim()).filter(Boolean);
    const made = plain(column, id, { type: "text" }, split, (value) => (Array.isArray(value) ? value.join(`${mark} `) : value ?? ""));
    const held = made.input;
    const turn = () => chips.forEach((chip) => chip.setAttribute("aria-pressed", String(split(held.value).includes(chip.textContent))));
    const add = (word) => {
      const there = split(held.value);
      held.value = (there.includes(word) ? there.filter((other) => other !== word) : [...there, word]).join(`${mark} `);
      turn();
    };
    const chips = words(column).slice(0, MOST_CHIPS).map((word) => el("button", { type: "button", on: { click: () => add(word) } }, word));
    held.addEventListener("input", turn);
    turn();
    return {
      ...made,
      box: el("div", { class: "choice" }, held, chips.length ? el("div", { class: "chips", role: "group", "aria-label": `Frequent in ${column.name}` }, ...chips) : null),
      fill: (value) => { made.fill(value); turn(); },
      hint: `words with ${mark === "," ? "commas" : "semicolons"} between them`,
    };
  },
  id: (column, id) => plain(column, id, { type: "text" }, (text) => text),
  text: (column, id) => {
    const held = el("textarea", { id, rows: 4 });
    return { input: held, box: held, read: () => held.value.trim() || null, fill: (value) => { held.value = value ?? ""; } };
  },
  image: (column, id) => {
    const held = input(id, { type: "file", accept: "image/png,image/jpeg" });
    const preview = el("img", { class: "preview", alt: `The picture for ${column.name}`, hidden: true });
    const said = el("p", { class: "hint", hidden: true });
    let value = null;
    let ready = Promise.resolve();
    const show = (address, words = "") => {
      value = address && address.slice(address.indexOf(",") + 1);
      preview.hidden = !address;
      if (address) preview.src = address;
      else preview.removeAttribute("src");
      said.textContent = words;
      said.hidden = !words;
    };
    preview.addEventListener("load", () => preview.classList.toggle("is-small", preview.naturalWidth < 96));
    preview.addEventListener("error", () => { preview.hidden = true; });
    held.addEventListener("change", () => {
      const file = held.files[0];
      if (!file) show(null);
      else ready = sent(file).then(({ address, words }) => { if (held.files[0] === file) show(address, words); });
    });
    return {
      input: held, box: el("div", {}, held, preview, said), read: () => value, ready: () => ready,
      fill: (given) => { held.value = ""; show(given ? `data:image/${given.startsWith("/9j/") ? "jpeg" : "png"};base64,${given}` : null); },
      hint: "a PNG or JPEG file; it is needed",
    };
  },
};
MAKE.place = MAKE.number;

// ------------------------------------------------------------------------------------------- row

const row = () => Object.fromEntries([...fields].map(([name, held]) => [name, held.read()]));
const fill = (values) => fields.forEach((held, name) => held.fill(values[name]));
const typical = () => Object.fromEntries(about.columns.map((column) => [column.name, column.typical ?? null]));

function mark(problem) {
  clear();
  const named = [...problem.where.matchAll(/column '([^']*)'/g), ...problem.message.matchAll(/'([^']*)'/g)];
  const held = named.map((match) => fields.get(match[1])).find(Boolean);
  if (!held) return false;
  const lacking = held.column.kind === "image" && held.read() === null ? "A picture is needed: choose a PNG or JPEG file." : "";
  held.problem.textContent = lacking || READS[held.column.kind] || [problem.message, problem.fix].filter(Boolean).join("; ");
  held.problem.hidden = false;
  held.input.setAttribute("aria-invalid", "true");
  held.box.classList.add("is-wrong");
  held.input.focus();
  return held;
}

function clear() {
  for (const held of fields.values()) {
    held.problem.hidden = true;
    held.input.removeAttribute("aria-invalid");
    held.box.classList.remove("is-wrong");
  }
}

// ------------------------------------------------------------------------------------------- answer

function sentence(answer) {
  const names = about.outputs;
  if (!about.classes.length) {
    return [el("p", { class: "verdict", "data-kicker": "Prediction" }, number(answer.prediction[names[0]])), el("p", {}, "is what the model expects for this row.")];
  }
  const head = el("p", { class: "verdict", "data-kicker": "Decision" }, answer.decision);
  const threshold = about.parameters.threshold;
  if (names.length === 1 && threshold !== undefined) {
    const share = answer.prediction[names[0]];
    const positive = about.classes[1];
    const side = share >= threshold ? "reaches" : "stays below";
    const decides = `The model gives '${positive}' a probability of ${percent(share)}. That ${side} the threshold of ${percent(threshold)}, so the decision is '${answer.decision}'.`;
    return [head, el("p", {}, decides)];
  }
  const share = answer.prediction[`probability_${answer.decision}`];
  const told = share === undefined ? "" : `The model gives '${answer.decision}' a probability of ${percent(share)}.`;
  return [head, el("p", {}, told)];
}

function gauge(answer) {
  if (!about.classes.length) return ruler(answer.prediction[about.outputs[0]]);
  if (about.outputs.length > 1) return ranks(answer);
  const share = answer.prediction[about.outputs[0]];
  const threshold = about.parameters.threshold;
  const bar = el("div", { class: `track is-${share >= (threshold ?? 0.5) ? "above" : "below"}` },
    el("div", { class: "full", style: { width: `${100 * share}%` } }));
  if (threshold !== undefined && threshold <= 1) bar.append(el("div", { class: "mark", style: { left: `${100 * Math.max(threshold, 0)}%` } }));
  const told = `Probability of '${about.classes[1]}': ${percent(share)}${threshold === undefined ? "" : `; threshold ${percent(threshold)}`}`;
  const scale = el("div", { class: "scale", "aria-hidden": "true" }, el("span", {}, "0 %"), el("span", {}, "100 %"));
  const at = 100 * Math.min(Math.max(threshold ?? 0, 0), 1);
  if (threshold !== undefined) {
    const edge = at < 12 ? "is-first" : at > 88 ? "is-last" : "";
    scale.append(el("b", { class: edge, style: { left: `${at}%` } }, `threshold ${percent(threshold)}`));
    if (at < 22) scale.children[0].textContent = "";
    if (at > 78) scale.children[1].textContent = "";
  }
  return el("figure", { class: "gauge", role: "img", "aria-label": told }, bar, scale);
}

function ranks(answer) {
  const held = about.classes.map((name, i) => [name, answer.prediction[about.outputs[i]]]).sort((a, b) => b[1] - a[1]);
  const list = el("ul", { class: "ranks" });
  for (const [name, share] of held.slice(0, 6)) {
    const bar = el("div", { class: "track" }, el("div", { class: "full", style: { width: `${100 * share}%` } }));
    list.append(el("li", { class: name === answer.decision ? "is-decided" : "" }, el("span", {}, name), el("span", { class: "by" }, percent(share)), bar));
  }
  return list;
}

function ruler(value) {
  const told = about.prediction.quantiles?.[about.outputs[0]];
  if (!told) return null;
  const [low, high] = [told[0], told[told.length - 1]];
  if (!(high > low)) return null;
  const place = 100 * Math.min(Math.max((value - low) / (high - low), 0), 1);
  const below = told.filter((held) => held <= value).length / told.length;
  const words = `Higher than about ${Math.round(100 * below)} of 100 predictions`;
  return el("figure", { class: "gauge", role: "img", "aria-label": words },
    el("div", { class: "track is-value" }, el("div", { class: "dot", style: { left: `${place}%` } })),
    el("div", { class: "scale" }, el("span", {}, number(low)), el("span", {}, number(high))),
    el("p", { class: "hint" }, `${words}; 98 of 100 lie in this range.`));
}

function why(told) {
  const classes = about.classes.length > 0;
  const amount = (value) => (classes ? points(value) : number(Math.abs(value)));
  const base = classes ? percent(told.base) : number(told.base);
  const most = Math.max(...told.effects.map((held) => Math.abs(held.effect)), 1e-12);
  const large = told.effects.slice(0, MOST_EFFECTS).filter((held) => Math.abs(held.effect) > 0.0005 * most);
  const rest = told.effects.slice(large.length);
  const of = about.outputs.length > 1 ? ` for '${told.output.replace(/^probability_/, "")}'` : "";
  const section = el("section", { class: "why" }, el("h2", {}, "Why"));
  const pictures = about.columns.some((column) => column.kind === "image");
  if (!told.effects.length) {
    section.append(el("p", {}, pictures ? "There is no typical picture to compare with, and no other column differs from its typical value."
      : `This is the typical row itself: ${base}${of}.`));
    return section;
  }
  const middling = told.origin.includes("golden") ? "A middling, made-up row (this bundle tells of no typical one)" : "A typical row";
  const from = pictures ? `${middling} with this very picture` : middling;
  section.append(el("p", {}, `${from} gets ${base}${of}. Starting from it, this row's own values make the difference:`));
  const list = el("ul", { class: "effects" });
  for (const held of large) list.append(effect(held, most, amount));
  section.append(list);
  if (rest.length) {
    const sum = rest.reduce((total, held) => total + held.effect, 0);
    const many = `${rest.length} more ${rest.length === 1 ? "column" : "columns"}`;
    const words = Math.abs(sum) < 0.0005 * most ? `${many} make${rest.length === 1 ? "s" : ""} no difference to speak of.`
      : `${many} together ${sum < 0 ? "lower" : "raise"}${rest.length === 1 ? "s" : ""} it by ${amount(sum)}.`;
    section.append(el("p", { class: "hint" }, words));
  }
  const error = Math.max(...told.effects.map((held) => held.error));
  const how = told.exact ? "Every combination of values was evaluated." : `Shares are estimated; the least certain to ±${amount(error)}.`;
  const same = pictures ? " What the picture itself does isn't told: there is no typical one to compare it with." : "";
  section.append(el("p", { class: "hint" }, `They add up to the prediction. ${how}${same}`));
  return section;
}

function effect(held, most, amount) {
  const up = held.effect >= 0;
  const said = Object.values(held.value).map(shown).join(", ");
  const instead = Object.values(held.typical).map(shown).join(", ");
  const size = `${50 * Math.abs(held.effect) / most}%`;
  return el("li", {},
    el("p", {}, el("b", {}, held.feature), ` ${said} `, el("span", { class: "hint" }, `(typically ${instead})`)),
    el("p", { class: `by ${up ? "is-up" : "is-down"}` }, `${up ? "raises" : "lowers"} it by ${amount(held.effect)}`),
    el("div", { class: "tug", "aria-hidden": "true" },
      el("div", { class: up ? "up" : "down", style: { width: size } })));
}

function changes(told) {
  if (!about.classes.length) return null;
  const section = el("section", { class: "change" }, el("h2", {}, "What would change the decision"));
  if (!told.changes.length) {
    section.append(el("p", {}, "No single column, changed within its usual values, would."));
    return section;
  }
  const list = el("ul", {});
  for (const held of told.changes) {
    const words = `${held.column} ${shown(held.to)} instead of ${shown(held.value)}`;
    const result = ` → '${held.decision}' (${percent(held.score)})`;
    const tries = el("button", { type: "button", "aria-label": `Try ${words}`, on: { click: () => { fields.get(held.column).fill(held.to); go(); } } }, "Try");
    list.append(el("li", {}, el("span", {}, el("b", {}, held.column), ` ${shown(held.to)} instead of ${shown(held.value)}`, el("span", { class: "hint" }, result)), tries));
  }
  section.append(list, el("p", { class: "hint" }, "This is what the model would answer, not what would happen in the world."));
  return section;
}

const by = (answer) => `Prediction ${answer.prediction_id}, by bundle ${answer.bundle}, ${answer.arm}, parameters version ${answer.version}.`;

async function go() {
  const turn = ++asked;
  const panel = at("answer");
  await Promise.all([...fields.values()].map((held) => held.ready?.()));
  if (turn !== asked) return;
  const given = row();
  clear();
  panel.setAttribute("aria-busy", "true");
  at("go").disabled = true;
  if (!panel.querySelector(".verdict")) panel.replaceChildren(el("p", { class: "hint wait", role: "status" }, "Asking the model …"));
  try {
    const answer = await ask("/v1/predict", { row: given });
    if (turn !== asked) return;
    const reason = el("div", { class: "reason" }, el("p", { class: "hint wait", role: "status" }, "Working out why …"));
    const said = sentence(answer);
    at("heard").textContent = said.map((part) => part.textContent).join(". ");
    panel.replaceChildren(...[...said, gauge(answer), reason, el("p", { class: "hint by-whom" }, by(answer))].filter(Boolean));
    if (window.innerWidth < 900) panel.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    await explain(given, reason, turn);
  } catch (problem) {
    if (!(problem instanceof Refused)) throw problem;
    if (turn === asked) refuse(problem, panel);
  } finally {
    if (turn === asked) {
      panel.removeAttribute("aria-busy");
      at("go").disabled = false;
      document.body.dataset.done = "1";
    }
  }
}

async function explain(given, reason, turn) {
  try {
    const told = await ask("/v1/explain", { row: given });
    if (turn === asked) reason.replaceChildren(...[why(told), changes(told)].filter(Boolean));
  } catch (problem) {
    if (!(problem instanceof Refused)) throw problem;
    reason.replaceChildren(el("p", { class: "hint" }, `Why can't be told: ${problem.message}.`));
  }
}

function refuse(problem, panel) {
  if (problem.status === 401 || problem.status === 403) { askKey(problem); }
  const marked = mark(problem);
  const place = problem.where.replace(/^row 0,? ?/, "");
  const told = marked
    ? [el("p", {}, el("b", {}, "One field needs another value")), el("p", {}, `${marked.column.name}: ${marked.problem.textContent}`)]
    : [el("p", {}, el("b", {}, "That can't be answered")), el("p", {}, [place, problem.message].filter(Boolean).join(": ")),
      problem.fix ? el("p", { class: "hint" }, problem.fix) : ""];
  panel.replaceChildren(el("div", { class: "alert", role: "alert" }, ...told));
}

// ------------------------------------------------------------------------------------------- page

function askKey(problem) {
  at("key").hidden = false;
  if (key.get()) at("key-hint").textContent = `${problem.message}. ${problem.fix}`;
  at("key-value").focus();
}

function head() {
  document.title = `${about.name} · Mulle`;
  at("name").textContent = about.name;
  at("goal").textContent = about.goal;
  at("kicker").replaceChildren(el("span", { class: `stamp is-${about.stamp}` }, about.stamp), el("span", {}, about.task),
    el("span", {}, `${about.columns.length} columns`));
  at("served").textContent = `bundle ${about.bundle}`;
  const n = about.failed.length;
  at("draft").hidden = about.stamp !== "draft";
  at("draft").textContent = `This model is a draft: ${n ? `${n} ${n === 1 ? "check" : "checks"} failed (${about.failed.join(", ")})` : "not every check has passed"}. Don't rely on it.`;
}

function wanted() {
  const given = new URLSearchParams(location.hash.slice(1) || location.search);
  try {
    return { row: JSON.parse(given.get("row") || "null"), go: given.get("go") === "1" };
  } catch {
    return { row: null, go: false };
  }
}

async function link() {
  const whole = row();
  const large = Object.keys(whole).filter((name) => fields.get(name).column.kind === "image" && whole[name]?.length > MOST_LINKED);
  const given = Object.fromEntries(Object.entries(whole).filter(([name]) => !large.includes(name)));
  const address = `${location.origin}/#${new URLSearchParams({ row: JSON.stringify(given), go: large.length ? "0" : "1" })}`;
  history.replaceState(null, "", address);
  const button = at("link");
  const words = button.textContent;
  try {
    await navigator.clipboard.writeText(address);
    button.textContent = large.length ? "Copied, without the picture" : "Copied";
  } catch {
    button.textContent = "It stands in the address bar";
  }
  setTimeout(() => { button.textContent = words; }, 2000);
}

async function start() {
  try {
    about = await ask("/v1/about");
  } catch (problem) {
    if (!(problem instanceof Refused)) throw problem;
    at("name").textContent = problem.status === 401 || problem.status === 403 ? "A key is needed" : "No model answers";
    at("goal").textContent = problem.status === 401 || problem.status === 403 ? "" : `${problem.message}; ${problem.fix}.`;
    if (problem.status === 401 || problem.status === 403) askKey(problem);
    document.body.dataset.done = "1";
    return;
  }
  at("key").hidden = true;
  head();
  fields.clear();
  at("fields").replaceChildren(...about.columns.map(field));
  at("main").hidden = false;
  const { row: given, go: now } = wanted();
  fill({ ...typical(), ...(given || {}) });
  document.body.dataset.ready = "1";
  if (now) await go();
}

at("ask").addEventListener("submit", (event) => { event.preventDefault(); go(); });
at("reset").addEventListener("click", () => { clear(); fill(typical()); });
at("link").addEventListener("click", link);
at("key").addEventListener("submit", (event) => { event.preventDefault(); key.set(at("key-value").value.trim()); start(); });
start();
