// The golden rows: made-up rows with the trainer's answers, by which this folder proves itself. In a terminal: node golden.mjs
import { load } from "./predict.mjs";

const TOLERANCE = 1e-5;
const apart = (ours, theirs) => Math.abs(ours - theirs) / (TOLERANCE * Math.max(1, Math.abs(theirs)));
const differ = (ours, theirs) => (typeof theirs === "number" ? !(apart(ours, theirs) <= 1) : ours !== theirs);

/** Compare answers with those that were expected: { rows, prediction, decision }; up to 1 is `worst` well. */
export async function prove(bundle, golden) {
  const held = golden ?? JSON.parse(new TextDecoder().decode(await bundle.file("golden/rows.json")));
  const found = { rows: held.rows.length, worst: 0, decisions: 0, wrong: [] };
  const answers = await bundle.predict(held.rows);
  answers.forEach(({ prediction, decision }, i) => {
    const expected = held.prediction[i];
    const rejected = expected === null || expected.some((value) => value === null);
    let far = rejected === (prediction === null) ? 0 : Infinity;
    if (!rejected && prediction)
      far = prediction.length === expected.length ? Math.max(...expected.map((value, k) => apart(prediction[k], value))) : Infinity;
    const other = rejected ? decision !== null : differ(decision, held.decision[i]);
    found.worst = Math.max(found.worst, Number.isNaN(far) ? Infinity : far);
    found.decisions += other;
    if (other || !(far <= 1)) found.wrong.push({ i, far: String(far), reason: answers[i].reason, prediction, expected });
  });
  return { ...found, wrong: found.wrong.slice(0, 20), ok: found.rows > 0 && found.worst <= 1 && found.decisions === 0 };
}

/** Read files of a folder as `load` wants them, in Node. */
export async function fromDisk() {
  const [{ readFile }, { createHash }] = [await import("node:fs/promises"), await import("node:crypto")];
  return async (url, integrity) => {
    const content = await readFile(url), hash = createHash("sha384").update(content).digest("base64");
    if (integrity && integrity !== `sha384-${hash}`) throw new Error(`${url} isn't what was exported: its hash differs`);
    return new Response(content);
  };
}

if (globalThis.process?.argv?.[1] && import.meta.url === String((await import("node:url")).pathToFileURL(process.argv[1]))) {
  const bundle = await load(new URL("./", import.meta.url), { get: await fromDisk() });
  const { readFile } = await import("node:fs/promises");
  const other = process.argv[2] ? JSON.parse(await readFile(process.argv[2], "utf8")) : null; // other rows than the golden ones
  const found = await prove(bundle, other);
  console.log(JSON.stringify(found));
  process.exitCode = found.ok ? 0 : 1;
}
