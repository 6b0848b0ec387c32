// Reads {module, cases: [{entry, rows}], tokens: [{step, texts}]} from stdin; writes what wire.mjs makes of them.
import { readFileSync } from "node:fs";

const { module, cases, tokens } = JSON.parse(readFileSync(0, "utf8"));
const { reader, tokenise } = await import(module);
const plain = (value) => (typeof value === "number" ? (Number.isNaN(value) ? null : value) : value);
const readAll = ({ entry, rows }) => {
  const read = reader(entry);
  return rows.map((row) => { const [values, why] = read(row); return [values.map(plain), why]; });
};
process.stdout.write(JSON.stringify({
  cases: cases.map(readAll),
  tokens: tokens.map(({ step, texts }) => texts.map((text) => Array.from(tokenise(step, text)))),
}));
