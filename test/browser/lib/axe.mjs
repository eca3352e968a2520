// Automated checks of accessibility by axe-core. Its script is handed to the page by
// the debugger's protocol, so the page's content policy stays as it is.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const source = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Which findings are not allowed. */
const grave = new Set(["serious", "critical"]);

/** The rules whose outcome depends on the theme. */
const ofColours = { type: "rule", values: ["color-contrast", "link-in-text-block"] };

/**
 * Fails where axe has a serious or critical finding about the page, with rule, place
 * and how to mend it. `colours` asks only what another theme may change.
 */
export async function accessible(page, name, { colours = false } = {}) {
  await page.evaluate(source);
  const { violations } = await page.evaluate(
    async (runOnly) => {
      // What is folded away is looked at as well, and folded again.
      const folded = [...document.querySelectorAll("details:not([open])")];
      for (const d of folded) d.open = true;
      const report = await globalThis.axe.run(document, { resultTypes: ["violations"], ...(runOnly && { runOnly }) });
      for (const d of folded) d.open = false;
      return report;
    },
    colours ? ofColours : undefined,
  );
  const findings = violations
    .filter((v) => grave.has(v.impact))
    .flatMap((v) => v.nodes.slice(0, 5).map((n) => `${v.id} (${v.impact}) at ${n.target.join(" ")}\n    ${n.html.slice(0, 160)}\n    ${n.failureSummary.replaceAll("\n", "\n    ")}\n    ${v.helpUrl}`));
  assert.equal(findings.length, 0, `${name}:\n  ${findings.join("\n  ")}`);
}
