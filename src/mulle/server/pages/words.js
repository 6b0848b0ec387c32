// What both pages share: elements, numbers in words, and asking the server.

export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key === "on") for (const [event, heard] of Object.entries(value)) made.addEventListener(event, heard);
    else if (key === "style") for (const [what, is] of Object.entries(value)) made.style.setProperty(what, is);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const number = (value, digits = 4) =>
  Number.isInteger(value) && Math.abs(value) < 1e15
    ? value.toLocaleString("en-GB")
    : Number(value.toPrecision(digits)).toLocaleString("en-GB", { maximumSignificantDigits: digits });

export const percent = (share) => {
  const value = 100 * share;
  if (value > 0 && value < 0.01) return "less than 0.01 %";
  if (value < 100 && value > 99.99) return "more than 99.99 %";
  return `${value.toFixed(value < 10 || value > 90 ? 2 : 1).replace(/\.?0+$/, "")} %`;
};

export const points = (share) => {
  const value = Math.abs(100 * share);
  const text = value.toFixed(value < 0.995 ? 2 : 1).replace(/\.?0+$/, "");
  if (text === "0" && value > 0) return "less than 0.01 points";
  return `${text} ${text === "1" ? "point" : "points"}`;
};

export const shown = (value) => {
  if (value === null || value === undefined || value === "") return "not known";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return number(value, 6);
  if (Array.isArray(value)) return value.join(", ") || "nothing";
  const text = String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
};

const KEY = "mulle-key";
export const key = { get: () => sessionStorage.getItem(KEY) || "", set: (value) => sessionStorage.setItem(KEY, value) };

export class Refused extends Error {
  constructor(problem, status) {
    super(problem.detail || problem.error || `the server answered ${status}`);
    this.status = status;
    this.where = problem.where || "";
    this.fix = problem.fix || "";
  }
}

export async function ask(path, body) {
  const headers = key.get() ? { Authorization: `Bearer ${key.get()}` } : {};
  const options = body === undefined ? { headers } : {
    method: "POST",
    headers: { ...headers, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Refused({ detail: "the server can't be reached", fix: "see whether it runs, then ask again" }, 0);
  }
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(told, answer.status);
  return told;
}
