// Opens the exported page in a frame, uses it as a person would, lets it answer other rows too, and reports.
const frame = document.createElement("iframe");
const until = async (test) => { for (let i = 0; i < 2400; i++) { const found = test(); if (found) return found; await new Promise((go) => setTimeout(go, 25)); } throw new Error("too late"); };
const tell = (told) => fetch("/told", { method: "POST", body: JSON.stringify(told) });
const faults = [];
try {
  const began = performance.now();
  frame.src = "/index.html";
  frame.style.cssText = "width: 1000px; height: 800px";
  document.body.append(frame);
  const inner = await until(() => frame.contentDocument?.getElementById("form") && frame.contentWindow);
  frame.contentDocument.addEventListener("securitypolicyviolation", (event) => faults.push(`${event.violatedDirective}: ${event.blockedURI}`));
  inner.addEventListener("error", (event) => faults.push(String(event.message)));
  const { bundle, prove } = await (await until(() => inner.mulle));
  const ready = performance.now() - began;
  const expected = await (await fetch("/expected.json")).json();
  const golden = await prove(), odd = await prove(expected);
  const by = (id) => frame.contentDocument.getElementById(id);
  by("example").click();
  await until(() => by("time").textContent);
  const decision = by("decision").value;
  by("prove").click();
  const proof = await until(() => by("proof").textContent);
  const times = [];
  for (let i = 0; i < 300; i++) {
    const row = expected.rows[i % expected.rows.length], start = performance.now();
    await bundle.predict([row]);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  await tell({
    golden, odd, decision, proof, faults, ready, p50: times[150], p95: times[285], classes: bundle.classes,
    fields: frame.contentDocument.querySelectorAll(".field").length,
    outside: performance.getEntriesByType("resource").concat(inner.performance.getEntriesByType("resource"))
      .map((entry) => new URL(entry.name).origin).filter((origin) => origin !== location.origin),
  });
} catch (error) {
  await tell({ error: `${error}`, stack: error.stack, faults, facts: frame.contentDocument?.getElementById("facts")?.textContent });
}
