// What axe-core says about a page: one line a rule that is broken, with where.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { root } from "../lib/daemon.mjs";

const source = readFileSync(createRequire(path.join(root, "tests", "browser", "package.json")).resolve("axe-core/axe.min.js"), "utf8");

export async function axeProblems(page) {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(source);
  return page.evaluate(async () => {
    const { violations, passes } = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(" ")).join(", ").slice(0, 300)}`);
    return passes.length < 10 ? [...found, `axe looked at only ${passes.length} rules`] : found;
  });
}
