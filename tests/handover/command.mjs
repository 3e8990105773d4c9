// `valetkey validate` against the settings page: the daemon's courier climbs the same ladder, by the same table, and says the same.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { binary, run } from "../lib/daemon.mjs";

/** What differs between two runs: times, and names of chance. */
const steady = (checks) =>
  checks
    .filter(({ id }) => id !== "cors" && id !== "postgres") // only the app knows where browsers have it, and speaks PostgreSQL
    .map(({ ms, ...check }) => JSON.parse(JSON.stringify(check).replace(/(\.valetkey-probe\/|_vk_probe_)[0-9a-f]{32}/g, "$1…")));

/** { code, report } of the command, about `values` of one service. */
export async function command(world, service, values) {
  const file = path.join(world.dir, "validate.env");
  writeFileSync(file, Object.entries(values).map(([name, value]) => `${name}=${value}\n`).join(""), { mode: 0o600 });
  const { code, stdout, stderr } = await run(binary, ["validate", "--env-file", file, "--service", service, "--json", "--data", world.valet.data], { timeout: 60_000 });
  if (!stdout.startsWith("{")) throw new Error(`valetkey validate: ${code} ${stderr}`);
  return { code, report: JSON.parse(stdout)[service] };
}

/** A report as it is to be on both sides. */
export const comparable = ({ checks, ...report }) => ({ ...report, checks: steady(checks) });
