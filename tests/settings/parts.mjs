// The template's parts that need no server, as CommonJS modules in a folder of their own.
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { root, tempFolder } from "../lib/daemon.mjs";

export const template = path.join(root, "template");
const PARTS = ["env-file", "seal", "config-core", "overlay-file", "env-dialects", "settings-host", "stripe-webhook", "bundle-check"];

/** { folder, load }: `load("env-file")` is the module. */
export function compileParts() {
  const folder = tempFolder("valetkey-settings");
  writeFileSync(path.join(folder, "package.json"), '{"type":"commonjs"}');
  const { status, stdout, stderr } = spawnSync(
    path.join(template, "node_modules", ".bin", "tsc"),
    ["--ignoreConfig", "--outDir", folder, "--rootDir", path.join("src", "lib"), "--module", "commonjs", "--moduleResolution", "bundler", "--target", "es2023", "--lib", "esnext,dom", "--strict",
      "--skipLibCheck", "--esModuleInterop", "--resolveJsonModule", "--types", "node", ...PARTS.map((part) => path.join("src", "lib", `${part}.ts`))],
    { cwd: template, encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`tsc: exit ${status}\n${stdout}${stderr}`);
  mkdirSync(path.join(folder, "node_modules", "server-only"), { recursive: true });
  writeFileSync(path.join(folder, "node_modules", "server-only", "index.js"), "");
  for (const name of ["zod", "stripe"]) symlinkSync(path.join(template, "node_modules", name), path.join(folder, "node_modules", name));
  const require = createRequire(path.join(folder, "package.json"));
  return { folder, load: (part) => require(`./${part}.js`) };
}
