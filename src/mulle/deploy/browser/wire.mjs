// From raw values to wire values: mulle.runtime.encode, tokenise and formula again, value by value.
// Missing is NaN for numbers and "" for words; what is there and can't be read throws Unreadable.

export class Unreadable extends Error {}

const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"; // as Python's str.strip
const ENDS = new RegExp(`^[${SPACE}]+|[${SPACE}]+$`, "g");
const strip = (text) => text.replace(ENDS, "");
const literally = (text) => text.replace(/[\\^$.*+?()[\]{}|\/-]/g, "\\$&");
const words = (text) => new Set(text.split(" "));
const plus = (set, more = []) => new Set([...set, ...more.map((word) => strip(String(word)).toLowerCase())]);
const minus = (set, less = []) => new Set([...set].filter((word) => !plus([], less).has(word)));
const shown = (value) => {
  const points = [...(typeof value === "string" ? value : (JSON.stringify(value) ?? String(value)))];
  return `'${points.slice(0, 40).join("")}${points.length > 40 ? "…" : ""}'`;
};
const refuse = (value, why) => { throw new Unreadable(`${shown(value)} ${why}`); };
const absent = (value) => value === null || value === undefined || Number.isNaN(value);
const finite = (number) => (Number.isFinite(number) ? number : NaN);

// ---------------------------------------------------------------- numbers

const MISSING = new Set([
  "", "not available",
  ...words("na n/a n.a. nan null none nil ? - -- — . #n/a #na <na> nat missing unknown (null) \\n #value! #div/0!"),
]);
const INFINITE = words("inf infinity ∞");
const SPACES = " \u00a0\u202f\u2009";
const SIMPLE = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const CODES = "USD|EUR|GBP|JPY|KRW|CNY|INR|CHF|AUD|CAD|SEK|NOK|DKK|PLN|CZK|BRL|MXN|TRY|ZAR|원|kr|zł";
const MONEY = new RegExp(`R\\$|[$€£¥₩₹₽₺₫₴₦฿¢]|(?:${CODES})(?![A-Za-z])`);

function grouped(decimal, thousands) {
  const mark = `[${literally(thousands || (decimal === "," ? "." : ",") + SPACES + "'’")}]`;
  const groups = `\\d{1,3}(?<mark>${mark})\\d{3}(?:\\k<mark>\\d{3})*|\\d{1,2}(?:${mark}\\d\\d)+${mark}\\d{3}|\\d+`;
  const part = `${literally(decimal)}(?<part>\\d*)`;
  return new RegExp(`^(?=.*\\d)(?<whole>${groups})?(?:${part})?(?<power>[eE][+-]?\\d+)?$`);
}

function signed(text) {
  if (text.startsWith("(") && text.endsWith(")")) return [-1, strip(text.slice(1, -1))];
  if (text[0] === "-" || text[0] === "+") return [text[0] === "-" ? -1 : 1, strip(text.slice(1))];
  return text.endsWith("-") ? [-1, strip(text.slice(0, -1))] : [1, text];
}

function number({ decimal = ".", thousands = "", missing = [] }) {
  const pattern = grouped(decimal, thousands), unknown = plus(MISSING, missing);
  const share = new RegExp(`[%${SPACES}]+$`);
  const dressed = (bare) => {
    let [sign, text] = signed(strip(bare.replaceAll("\u2212", "-").replace(MONEY, "")));
    const hundredths = text.endsWith("%");
    const held = (hundredths ? text.replace(share, "") : text).match(pattern)?.groups;
    if (!held) refuse(bare, "is not a number");
    const digits = (held.whole ?? "").replace(/\D/g, "");
    return (sign * Number(`${digits || 0}.${held.part || 0}${held.power ?? ""}`)) / (hundredths ? 100 : 1);
  };
  return (value) => {
    if (absent(value)) return NaN;
    if (typeof value === "number" || typeof value === "boolean") return finite(Number(value));
    if (typeof value !== "string") refuse(value, "is not a number");
    const bare = strip(value), low = bare.toLowerCase();
    if (decimal === "." && SIMPLE.test(bare)) return finite(Number(bare));
    if (unknown.has(low) || INFINITE.has(low.replace(/^[+-]+/, ""))) return NaN;
    return finite(dressed(bare));
  };
}

function place(options) {
  const read = number(options), reach = options.axis === 0 ? 90 : 360;
  return (value) => {
    const found = read(value);
    return Math.abs(found) > reach ? refuse(value, `is not within ±${reach} degrees`) : found;
  };
}

function boolean({ true: yes = [], false: no = [], missing = [] }) {
  const on = minus(plus(words("1 1.0 true t yes y on 예 네 ja oui sí si"), yes), no);
  const off = minus(plus(words("0 0.0 false f no n off 아니오 아니요 nein non"), no), yes);
  const unknown = plus(MISSING, missing);
  return (value) => {
    if (absent(value)) return NaN;
    const word = strip(wordOf(value)).toLowerCase();
    if (on.has(word)) return 1;
    if (off.has(word)) return 0;
    return unknown.has(word) ? NaN : refuse(value, "is neither true nor false");
  };
}

// ---------------------------------------------------------------- moments, in whole microseconds as BigInt

const FORMATS = [
  "%Y/%m/%d", "%Y.%m.%d", "%Y. %m. %d.", "%Y년 %m월 %d일", "%d.%m.%Y", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y",
  "%b %d %Y", "%a, %d %b %Y", "%Y%m%d",
];
const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const ZONE = "(?<z>z|utc|gmt|[+-]\\d{2}:?\\d{2}|[+-]\\d{2})", NOON = "(?<p>[ap])\\.?m\\.?", S = "[ \\t-\\r]";
const DIRECTIVES = {
  Y: "(?<Y>\\d{4})", y: "(?<y>\\d{2})", a: "(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*", S: "(?<S>\\d{2})",
  b: "(?<b>january|february|march|april|june|july|august|september|october|november|december|sept|" +
    `${MONTHS.join("|")})\\.?`, f: "(?<f>\\d{1,9})", p: NOON, z: ZONE,
};
const CLOCK = `(?:(?:t|,?${S}+)(?<H>\\d{1,2}):(?<M>\\d{2})(?::(?<S>\\d{2})(?:[.,](?<f>\\d{1,9}))?)?` +
  `(?:${S}*${NOON})?(?:${S}*${ZONE})?)?`;

function patternOf(form) {
  let out = "";
  for (let i = 0; i < form.length; i++) {
    if (form[i] === "%" && i + 1 < form.length) {
      const letter = form[i + 1].replace("B", "b").replace("A", "a");
      const touching = form[i + 2] === "%" || (i >= 2 && form[i - 2] === "%");
      out += "mdHIM".includes(letter)
        ? `(?<${letter === "I" ? "H" : letter}>\\d{${touching ? "2" : "1,2"}})`
        : (DIRECTIVES[letter] ?? literally(letter));
      i += 1;
    } else out += form[i] === " " ? `${S}+` : literally(form[i]);
  }
  return new RegExp(`^(?:${out}${/%[HI]/.test(form) ? "" : CLOCK})$`, "i");
}

function offset(zone) {
  if (!zone || !"+-".includes(zone[0])) return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3).replace(/^:/, "") || 0);
  return (zone[0] === "-" ? -60 : 60) * minutes;
}

function momentOf(held) {
  const two = Number(held.y ?? 70), year = Number(held.Y ?? two + (two < 69 ? 2000 : 1900));
  const month = held.b ? MONTHS.indexOf(held.b.slice(0, 3).toLowerCase()) : Number(held.m ?? 1) - 1;
  const day = Number(held.d ?? 1), minute = Number(held.M ?? 0), second = Number(held.S ?? 0);
  let hour = Number(held.H ?? 0);
  if (held.p) {
    if (hour < 1 || hour > 12) return null;
    hour = (hour % 12) + (held.p.toLowerCase() === "p" ? 12 : 0);
  }
  const date = new Date(0);
  date.setUTCFullYear(year, month, day);
  if (year < 1 || date.getUTCMonth() !== month || date.getUTCDate() !== day) return null;
  if (hour > 23 || minute > 59 || second > 59) return null;
  const seconds = date.getTime() / 1000 + hour * 3600 + minute * 60 + second - offset(held.z);
  return BigInt(seconds) * 1000000n + BigInt((held.f ?? "0").padEnd(6, "0").slice(0, 6));
}

const SIZES = [["s", 1e11], ["ms", 1e14], ["us", 1e17]], MICROS = { s: 1000000, ms: 1000, us: 1 };
const YEAR_1 = -62135596800000000n, YEAR_9999 = 253402300799999999n;
const even = (x) => { const r = Math.round(x); return r - x === 0.5 && r % 2 !== 0 ? r - 1 : r; }; // halves to even

function since(found, epoch, value) {
  const whole = typeof found === "bigint" || Number.isInteger(found), size = Math.abs(Number(found));
  const unit = epoch || (SIZES.find(([, most]) => size < most)?.[0] ?? "ns");
  const why = "is not a moment between the years 1 and 9999";
  if (size > 1e20) refuse(value, why);
  const floor = (n) => (n % 1000n < 0n ? n / 1000n - 1n : n / 1000n);
  const exact = whole ? BigInt(found) : 0n;
  const many = unit === "ns" ? floor(exact) : exact * BigInt(MICROS[unit]);
  const moment = whole ? many : BigInt(unit === "ns" ? Math.floor(found / 1000) : even(found * MICROS[unit]));
  return moment < YEAR_1 || moment > YEAR_9999 ? refuse(value, why) : moment;
}

function datetime({ formats = [], epoch = "" }) {
  const patterns = ["%Y-%m-%d", ...formats, ...FORMATS].map(patternOf);
  const text = (value) => {
    const bare = strip(value);
    if (MISSING.has(bare.toLowerCase())) return null;
    if (epoch && SIMPLE.test(bare)) {
      const whole = /^\d+$/.test(bare.replace(/^[+-]+/, "")) && bare.length <= 18;
      return since(whole ? BigInt(bare.replace(/^\+/, "")) : Number(bare), epoch, value);
    }
    for (const pattern of patterns) {
      const held = bare.match(pattern)?.groups, found = held ? momentOf(held) : null;
      if (found !== null) return found;
    }
    return refuse(value, "is not a moment that can be read");
  };
  const moment = (value) => {
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : BigInt(value.getTime()) * 1000n;
    if (absent(value)) return null;
    if (typeof value === "string") return text(value);
    if (typeof value !== "number") refuse(value, "is not a moment");
    if (!Number.isFinite(value)) return null;
    return formats.length && !epoch && Number.isInteger(value) ? text(BigInt(value).toString()) : since(value, epoch, value);
  };
  return (value) => { const found = moment(value); return found === null ? NaN : Number(found) / 1e6; };
}

// ---------------------------------------------------------------- words

function numberWord(value) { // as Python writes it: whole numbers without .0, exponents of two digits
  if (Number.isInteger(value) && Math.abs(value) < 1e16) return String(value === 0 ? 0 : value);
  const [mantissa, power] = value.toExponential().split("e");
  if (power >= -4 && power < 16) return String(value);
  return `${mantissa}e${power[0]}${power.slice(1).padStart(2, "0")}`;
}

function wordOf(value) {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return String(value);
  if (Math.abs(value) > 2 ** 53 && Number.isFinite(value)) refuse(value, "is beyond 2⁵³, where numbers lose digits: send it as text");
  if (typeof value === "number") return Number.isFinite(value) ? numberWord(value) : "";
  return refuse(value, "is not one word or number");
}

const tidy = (text) => strip(strip(text).replace(/\p{Surrogate}/gu, "?").normalize("NFC"));

function category({ fold = false, numbers = false, missing = [] }) {
  const level = (value) => {
    let word = tidy(wordOf(value));
    if (numbers && SIMPLE.test(word) && Number.isFinite(Number(word))) word = numberWord(Number(word));
    return fold ? word.toLowerCase() : word;
  };
  const unknown = new Set(missing.map((word) => level(String(word))));
  return (value) => {
    const word = absent(value) ? "" : level(value);
    return unknown.has(word) ? "" : word;
  };
}

const NO_JSON = /("(?:[^"\\]|\\.)*")|-?\b(?:NaN|Infinity)\b/g; // Python reads these as numbers that mean: not there

function itemsOf(text, separator) {
  const bare = strip(text);
  if (bare.includes("\x1f")) return bare.split("\x1f");
  if (bare.startsWith("[") && bare.endsWith("]")) {
    try {
      return JSON.parse(bare.replace(NO_JSON, (_, quoted) => quoted ?? "null"));
    } catch {
      return bare.slice(1, -1).split(",").map((part) => strip(part).replace(/^['"]+|['"]+$/g, ""));
    }
  }
  const mark = separator || [..."|;,"].find((one) => bare.includes(one));
  return mark ? bare.split(mark) : [bare];
}

function list({ separator = "", missing = [], fold = false }) {
  const item = category({ missing, fold });
  return (value) => {
    if (absent(value)) return "";
    const held = Array.isArray(value) ? value : itemsOf(wordOf(value), separator);
    return held.map((one) => strip(item(one).replaceAll("\x1f", " "))).filter((word) => word).join("\x1f");
  };
}

const READERS = { number, place, boolean, datetime, category, id: category, list, text: ({ missing }) => category({ missing }) };
const DEFAULTS = { number: NaN, place: NaN, boolean: NaN, datetime: NaN };

// ---------------------------------------------------------------- formulas: the tree of mulle.runtime.formula

const there = (v) => v !== "" && !Number.isNaN(v);
const truth = (found, ...parts) => (parts.every(there) ? Number(found) : NaN);
const all = (...parts) => (parts.includes(0) ? 0 : parts.reduce((a, b) => a * b));
const any = (...parts) => (parts.includes(1) ? 1 : 0 * parts.reduce((a, b) => a + b));
function order(a, b) { // texts by code point
  if (typeof a !== "string" || typeof b !== "string") return a - b;
  const [left, right] = [[...a], [...b]];
  const at = left.findIndex((point, i) => point !== right[i]);
  return at < 0 ? left.length - right.length : left[at].codePointAt() - (right[at]?.codePointAt() ?? -1);
}
const compare = (test) => (a, b) => truth(test(order(a, b)), a, b);
const known = (choose) => (...parts) => parts.reduce((a, b) => (Number.isNaN(a) ? b : Number.isNaN(b) ? a : choose(a, b)));
const eq = compare((o) => o === 0), ge = compare((o) => o >= 0), le = compare((o) => o <= 0);
const round = (x, digits = 0) => { const p = 10 ** Math.abs(digits); return digits < 0 ? even(x / p) * p : even(x * p) / p; };

const ARITHMETIC = {
  add: (...parts) => parts.reduce((a, b) => a + b), mul: (...parts) => parts.reduce((a, b) => a * b), sub: (a, b) => a - b, div: (a, b) => a / b,
  mod: (a, b) => a % b, neg: (a) => -a, abs: Math.abs, ln: Math.log, log10: Math.log10, exp: Math.exp, sqrt: Math.sqrt,
  floor: Math.floor, ceil: Math.ceil, round, power: (a, b) => (a === 1 ? 1 : a ** b), days: (a, b) => (a - b) / 86400,
};
const OPERATIONS = {
  eq, ge, le, ne: compare((o) => o !== 0), lt: compare((o) => o < 0), gt: compare((o) => o > 0),
  in: (value, ...others) => any(...others.map((other) => eq(value, other)), 0),
  between: (value, low, high) => all(ge(value, low), le(value, high)),
  and: all, or: any, not: (a) => 1 - a, is_null: (a) => (there(a) ? 0 : 1),
  case: (...parts) => {
    for (let i = 0; i + 1 < parts.length; i += 2) if (parts[i] === 1) return parts[i + 1];
    return parts.at(-1);
  },
  least: known(Math.min), greatest: known(Math.max),
  coalesce: (...parts) => parts.find(there) ?? parts.at(-1),
  length: (text) => (there(text) ? [...text].length : NaN),
  lower: (text) => (there(text) ? text.toLowerCase() : ""), upper: (text) => (there(text) ? text.toUpperCase() : ""),
};
for (const [op, run] of Object.entries(ARITHMETIC)) OPERATIONS[op] = (...parts) => finite(run(...parts));

function compute([op, ...rest], cells) {
  if (op === "column") return cells[rest[0]];
  if (op === "null") return NaN;
  if (["number", "text", "moment", "boolean"].includes(op)) return op === "text" ? rest[0] : Number(rest[0]);
  if (!Object.hasOwn(OPERATIONS, op)) throw new Error(`the operation '${op}' is unknown`);
  return OPERATIONS[op](...rest.map((part) => compute(part, cells)));
}

// ---------------------------------------------------------------- text and lists to hashed tokens

const BREAKS = "\\x00-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\xbf\\u1680\\u2000-\\u206f\\u3000-\\u303f\\ufe00-\\ufe0f\\ufeff";
const WORD = new RegExp(`[^${BREAKS}]+`, "gu");
const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});
const utf8 = new TextEncoder();
export const crc32 = (text) => ~utf8.encode(text).reduce((crc, byte) => (crc >>> 8) ^ CRC[(crc ^ byte) & 255], -1) >>> 0;

function* grams(units, [least, most], join) {
  for (let n = least; n > 0 && n <= Math.min(most, units.length); n++)
    for (let i = 0; i + n <= units.length; i++) yield units.slice(i, i + n).join(join);
}

function* tokensOf(text, { word_ngrams: ofWords = [1, 1], char_ngrams: ofChars = [0, 0], max_chars: most = 20000 }) {
  const found = [...text].slice(0, most).join("").normalize("NFKC").toLowerCase().match(WORD) ?? [];
  for (const gram of grams(found, ofWords, " ")) yield `w${gram}`;
  for (const word of found) for (const gram of grams([..." " + word + " "], ofChars, "")) yield `c${gram}`;
}

/** One row of a `tokenise` step: float32 [width]. */
export function tokenise(step, text) {
  const out = new Float64Array(step.width), listed = step.analyzer === "list";
  const tokens = listed ? text.split("\x1f").filter((t) => t).map((t) => `l${t}`) : tokensOf(text, step);
  for (const token of tokens) out[crc32(token) % step.width] += 1;
  if (listed) return Float32Array.from(out, Math.sign);
  const weights = out.map((n) => (n ? 1 + Math.log(n) : 0));
  const length = Math.max(Math.sqrt(weights.reduce((sum, w) => sum + w * w, 0)), 1e-12);
  return Float32Array.from(weights, (w) => w / length);
}

// ---------------------------------------------------------------- one entry of the request schema

function told(column, read) {
  return (row) => {
    try {
      return [read(row[column]), null];
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      return [null, `column '${column}': ${error.message}`];
    }
  };
}

/** A function from a row to [wire values, reason or null]; what can't be read is missing in the first. */
export function reader(entry) {
  const { kind, columns, options } = entry, formula = kind === "formula";
  const parts = formula ? options.reads : columns.map((_, axis) => ({ kind, options: { ...options, axis } }));
  const reads = parts.map((part, i) => [told(columns[i], READERS[part.kind](part.options ?? {})), DEFAULTS[part.kind] ?? ""]);
  return (row) => {
    const found = reads.map(([read, missing]) => { const [v, why] = read(row); return [why ? missing : v, why]; });
    const values = found.map(([value]) => value), why = found.find(([, reason]) => reason)?.[1] ?? null;
    if (!formula) return [values, why];
    return [[compute(options.tree, Object.fromEntries(columns.map((c, i) => [c, values[i]])))], why];
  };
}
