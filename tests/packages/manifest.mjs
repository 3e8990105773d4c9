// What a platform that uses the packages relies on: no dependencies, working exports, the published types.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { root, tempFolder } from "../lib/daemon.mjs";
import { assert, assertSame, check } from "../lib/tap.mjs";
import { command } from "./compile.mjs";

const packages = path.join(root, "packages");

for (const name of ["org-keys", "database-provisioner"]) {
  await check(`${name}: no dependencies, and what it exports is there`, () => {
    const folder = path.join(packages, name);
    const manifest = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
    assertSame(Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.optionalDependencies }), [], "dependencies");
    for (const file of Object.values(manifest.exports["."])) readFileSync(path.join(folder, file));
  });
}

await check("the types are the ones that platforms were promised", () => {
  const folder = tempFolder("valetkey-types");
  const from = (name) => JSON.stringify(path.join(packages, name, "dist", name, "src", "index.js"));
  writeFileSync(
    path.join(folder, "consumer.mts"),
    `import { getEnvVarsForBuild, ValetkeyError, type OrgKeyConfig } from ${from("org-keys")};
import { provisionDatabase } from ${from("database-provisioner")};

const config: OrgKeyConfig = {
  clerk: { publishableKey: "", secretKey: "" },
  turso: { orgToken: "", createDatabaseEndpoint: "" },
  r2: { accessKeyId: "", secretAccessKey: "", bucket: "", endpoint: "" },
  stripe: { publishableKey: "", secretKey: "" },
};
// @ts-expect-error a group is missing
const partial: OrgKeyConfig = { clerk: config.clerk, turso: config.turso, r2: config.r2 };
export const env: Promise<Record<string, string>> = getEnvVarsForBuild("a", config);
export const same: Promise<Record<string, string>> = getEnvVarsForBuild("a");
export const database: Promise<{ url: string; token: string }> = provisionDatabase("a");
// @ts-expect-error a build id is text
export const wrong = provisionDatabase(1);
export const error: { code: string; status: number; hint: string } & Error = new ValetkeyError("code", "message");
export { partial };
`,
  );
  command(path.join(packages, "node_modules", ".bin", "tsc"),
    ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "consumer.mts"], folder);
});

await check("the lock file is complete and names no registry", () => {
  const lock = readFileSync(path.join(packages, "package-lock.json"), "utf8");
  assert(!/https?:\/\/[^"]*\.tgz|"resolved": "http/.test(lock), "an address of a registry is in packages/package-lock.json");
  command(process.execPath, [path.join(root, "tools", "complete-lock.mjs"), "--check", path.join(packages, "package-lock.json")], root);
});
