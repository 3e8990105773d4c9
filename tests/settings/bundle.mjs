// A build that would give browsers a secret fails. A real one takes a minute, so the fast run only asks what the build asks.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { root, withChecksum } from "../lib/daemon.mjs";
import { assert, assertSame, check } from "../lib/tap.mjs";
import { template } from "./parts.mjs";

await check("the build looks through what browsers get, wherever it is started from", () => {
  const config = readFileSync(path.join(template, "next.config.ts"), "utf8");
  assert(/runAfterProductionCompile: async \(\{ projectDir, distDir \}\) => checkBundle\(path\.resolve\(projectDir, distDir, "static"\), process\.env\)/.test(config), "next.config.ts");
});

if (process.env.VALETKEY_TEST_FULL) {
  // Beside the template, so that its packages can be linked there instead of copied.
  mkdirSync(path.join(root, "tests", ".work"), { recursive: true });
  const folder = mkdtempSync(path.join(root, "tests", ".work", "bundle-"));
  try {
    for (const name of ["src", "prisma", "next.config.ts", "package.json", "package-lock.json", "postcss.config.mjs", "tsconfig.json"]) cpSync(path.join(template, name), path.join(folder, name), { recursive: true });
    const linked = spawnSync("cp", ["-al", path.join(template, "node_modules"), path.join(folder, "node_modules")], { encoding: "utf8" });
    const file = path.join(folder, "src", "components", "site-header.tsx");
    const source = readFileSync(file, "utf8");
    const build = (env) => spawnSync(process.execPath, ["node_modules/next/dist/bin/next", "build"], { cwd: folder, env: { PATH: process.env.PATH, HOME: process.env.HOME, NEXT_TELEMETRY_DISABLED: "1", ...env }, encoding: "utf8" });
    const key = withChecksum(`vk_b_${"Ab1".repeat(10)}`);
    await check("a build whose browser code has a build's key in it fails and says where, not what", () => {
      assertSame(linked.status, 0, linked.stderr);
      writeFileSync(path.join(folder, "src", "components", "leak.tsx"), `"use client";\n\nexport function Leak() {\n  return <i hidden data-k="${key}" />;\n}\n`);
      const shown = source.replace("<nav ", "<Leak />\n        <nav ");
      assert(shown !== source, "the header has no nav");
      writeFileSync(file, `import { Leak } from "./leak";\n${shown}`);
      const { status, stdout, stderr } = build({});
      const text = stdout + stderr;
      assert(status !== 0 && /chunks\/[^ ]+\.js holds what looks like a build's key/.test(text) && !text.includes(key), `exit ${status}\n${text.slice(-3000)}`);
    });
    await check("a build whose browser code has a value of the environment in it fails", () => {
      const value = "own value 4711 of this machine";
      writeFileSync(path.join(folder, "src", "components", "leak.tsx"), `"use client";\n\nexport function Leak() {\n  return <i hidden data-k="${value}" />;\n}\n`);
      assert(/holds the value of MY_SERVICE_TOKEN/.test(((r) => (r.status === 0 ? "" : r.stdout + r.stderr))(build({ MY_SERVICE_TOKEN: value }))), "it did not fail");
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
