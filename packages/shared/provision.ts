// Waiting for what the daemon makes at vendors for a build.
import { setTimeout as sleep } from "node:timers/promises";
import { call } from "./admin-client.js";
import { ValetkeyError } from "./errors.js";
import type { BuildOptions, ProvisionProgress } from "./provision-types.js";
import type { Settings } from "./settings.js";

const POLL_MS = 500;
/** More than the daemon tries for. */
const PATIENCE_MS = 15 * 60_000;

/** As the API has them. */
export function driversBody(drivers: BuildOptions["drivers"]): Record<string, unknown> | undefined {
  if (drivers === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(drivers).map(([service, chosen]) => {
      if (typeof chosen === "string") return [service, { driver: chosen }];
      const resource = { ...chosen.resource, ...(chosen.delivery === undefined ? {} : { delivery: chosen.delivery }) };
      return [service, { driver: chosen.driver, ...(Object.keys(resource).length ? { resource } : {}) }];
    }),
  );
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const number = (value: unknown): number => (typeof value === "number" ? value : 0);

function progressOf(answer: Record<string, unknown>): ProvisionProgress[] {
  const list = Array.isArray(answer["resources"]) ? (answer["resources"] as Record<string, unknown>[]) : [];
  return list.map((r) => ({
    service: text(r["service"]),
    vendor: text(r["vendor"]),
    state: text(r["state"]) as ProvisionProgress["state"],
    step: text(r["step"]),
    stepNumber: number(r["step_n"]),
    steps: number(r["steps"]),
    why: text(r["why"]),
  }));
}

/** Until the build has all of it; `first` is the answer that said that something is being made. */
export async function waitForResources(settings: Settings, buildId: string, first: Record<string, unknown>, options: BuildOptions): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  let told = "";
  for (let answer = first; ; answer = await call(settings, "GET", `/api/v1/builds/${buildId}/resources`)) {
    const progress = progressOf(answer);
    const now = JSON.stringify(progress);
    if (now !== told) options.onProgress?.(progress);
    told = now;
    const failed = progress.find((p) => p.state === "failed");
    if (failed)
      throw new ValetkeyError("provision_failed", `The ${failed.service} of build ${buildId} could not be made at ${failed.vendor}: ${failed.why}`, 0,
        `\`valetkey build provision ${buildId}\` tries again; deleting the build takes back what was made.`);
    if (answer["complete"] === true) return;
    if (Date.now() > end)
      throw new ValetkeyError("timeout", `What build ${buildId} needs at vendors is still not ready.`, 0, `\`valetkey build resources ${buildId}\` shows how far it is.`);
    await sleep(POLL_MS, undefined, options.signal ? { signal: options.signal } : {});
  }
}
