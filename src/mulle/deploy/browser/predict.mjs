// Executes a bundle's steps: encode, tokenise, onnx, policy. The same answers as Mulle's own runtime.
//   const bundle = await load(new URL("./", import.meta.url));  const { prediction, decision } = await bundle.predict(row);
import { opened } from "./open.mjs";
import { reader, tokenise } from "./wire.mjs";

const BLOCK = 256;

/** @param base the folder's URL; @param options as for `opened`. */
export const load = async (base, options) => new Bundle(await opened(base, options));

class Bundle {
  constructor({ ort, manifest, graphs, file }) {
    Object.assign(this, { ort, manifest, file, policy: graphs.pop(), graphs, classes: manifest.classes });
    this.entries = manifest.request.map((entry) => ({ entry, read: reader(entry) }));
    this.columns = [...new Set(manifest.request.flatMap((entry) => entry.columns))];
    this.parameters = { ...this.policy.step.parameters };
  }

  /** One row → one answer, which throws what can't be read; many rows → many answers, each perhaps with a `reason`. */
  async predict(rows, parameters = {}) {
    if (!Array.isArray(rows)) {
      const [answer] = await this.predict([rows], parameters);
      return answer.reason ? Promise.reject(new Error(answer.reason)) : answer;
    }
    const answers = [];
    for (let i = 0; i < rows.length; i += BLOCK) answers.push(...(await this.block(rows.slice(i, i + BLOCK), parameters)));
    return answers;
  }

  async block(rows, parameters) {
    const lacking = this.columns.find((name) => !rows.every((row) => Object.hasOwn(row, name)));
    if (lacking !== undefined) throw new Error(`column '${lacking}' is missing; give null where it isn't known`);
    const { feeds, reasons } = this.encode(rows), scores = {}, given = {};
    for (const { step, session } of this.graphs) Object.assign(scores, await session.run(feeds, step.outputs));
    for (const [name, score] of Object.entries(this.policy.step.inputs)) given[name] = scores[score];
    for (const [name, value] of Object.entries({ ...this.parameters, ...parameters }))
      given[`parameter_${name}`] = new this.ort.Tensor("float64", [value], []);
    const decided = (await this.policy.session.run(given, ["decision"])).decision.data;
    const row = ({ data, dims }, i) => Array.from(data.slice(i * dims[1], (i + 1) * dims[1]), Number);
    return rows.map((_, i) => {
      const told = Object.fromEntries(Object.entries(scores).map(([name, score]) => [name, row(score, i)]));
      const reason = reasons[i] ?? (Object.values(told).flat().every(Number.isFinite) ? null : "the model gave no number");
      if (reason) return { prediction: null, decision: null, scores: null, reason };
      const decision = this.policy.step.decides === "value" ? Number(decided[i]) : this.classes[Number(decided[i])];
      if (decision === undefined) throw new Error("the policy decided on a class that isn't there");
      return { prediction: told.prediction ?? Object.values(told)[0], decision, scores: told, reason };
    });
  }

  encode(rows) {
    const numbers = [], strings = [], tensors = [], reasons = rows.map(() => null);
    rows.forEach((row, i) => {
      let at = 0;
      for (const { entry, read } of this.entries) {
        const [values, why] = read(row);
        reasons[i] ??= why;
        if (entry.step) (tensors[at++] ??= []).push(tokenise(entry.step, values[0]));
        else (entry.wire === "number" ? numbers : strings).push(...values);
      }
    });
    const feeds = {}, n = rows.length, { Tensor } = this.ort;
    if (numbers.length) feeds.numbers = new Tensor("float64", Float64Array.from(numbers), [n, numbers.length / n]);
    // a NUL would end a word in WebAssembly; none that a model knows holds one
    if (strings.length) feeds.strings = new Tensor("string", strings.map((s) => s.replaceAll("\0", "\u2400")), [n, strings.length / n]);
    tensors.forEach((held, i) => {
      const flat = new Float32Array(n * held[0].length);
      held.forEach((values, k) => flat.set(values, k * values.length));
      feeds[`tensor_${i}`] = new Tensor("float32", flat, [n, held[0].length]);
    });
    return { feeds, reasons };
  }
}
