// Installs the compiler when it is not there and compiles the packages.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

export function compilePackages(folder, note) {
  const tsc = path.join(folder, "node_modules", ".bin", "tsc");
  if (!existsSync(tsc)) {
    note("packages: installing the compiler (npm ci)");
    command("npm", ["ci", "--no-audit", "--no-fund"], folder);
  }
  for (const name of ["org-keys", "database-provisioner"]) command(tsc, ["-p", name], folder);
}

export function command(file, args, cwd) {
  const { status, error, stdout, stderr } = spawnSync(file, args, { cwd, encoding: "utf8", timeout: 120_000 });
  if (error) throw error;
  if (status !== 0) throw new Error(`${path.basename(file)} ${args.join(" ")}: exit ${status}\n${stdout}${stderr}`);
}
