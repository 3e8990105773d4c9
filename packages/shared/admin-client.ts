// Calls of the daemon's admin API: bounded in time and size, tried again while the daemon starts.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ValetkeyError } from "./errors.js";
import { driversBody, waitForResources } from "./provision.js";
import type { BuildOptions } from "./provision-types.js";
import type { Settings } from "./settings.js";

const ANSWER_WITHIN_MS = 10_000;
const ATTEMPTS = 6;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;
const ANSWER_MAX = 1024 * 1024;
const BUILD_ID = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/;

export type EnvMap = Record<string, string>;

export function checkBuildId(buildId: unknown): void {
  if (typeof buildId !== "string" || !BUILD_ID.test(buildId))
    throw new ValetkeyError("invalid", "The build id is not valid.", 0,
      "Use 1 to 32 of a-z, 0-9 and -, beginning and ending with a letter or digit.");
}

/**
 * The build's environment. Creates the build when there is none, and waits for what is made at vendors for it; asking again gives
 * the same.
 */
export async function ensureBuild(settings: Settings, buildId: string, options: BuildOptions = {}): Promise<EnvMap> {
  checkBuildId(buildId);
  const drivers = driversBody(options.drivers);
  const ask = { id: buildId, ...(drivers ? { drivers } : {}) };
  let build = await call(settings, "POST", "/api/v1/builds", ask);
  if (build["env"] === undefined && Array.isArray(build["resources"])) {
    await waitForResources(settings, buildId, build, options);
    build = await call(settings, "POST", "/api/v1/builds", ask);
  }
  if (build["state"] !== undefined && build["state"] !== "active")
    throw new ValetkeyError("build_not_active", `Build ${buildId} is ${String(build["state"])}.`, 409, "Use another id, or delete it first.");
  return envMap(build["env"]);
}

/** One call that may be made again: an answer's object, or a ValetkeyError. */
export async function call(settings: Settings, method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
  const key = randomUUID();
  for (let attempt = 1, pause = FIRST_PAUSE_MS; ; attempt++, pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      return await once(settings, method, path, body, key);
    } catch (error) {
      if (attempt >= ATTEMPTS || !(error instanceof Again)) throw error instanceof Again ? error.reason : error;
      await sleep(Math.max(pause, error.afterMs));
    }
  }
}

/** A failure that may be over in a moment. */
class Again extends Error {
  constructor(
    readonly reason: ValetkeyError,
    readonly afterMs = 0,
  ) {
    super(reason.message);
  }
}

async function once(settings: Settings, method: string, path: string, body: unknown, key: string): Promise<Record<string, unknown>> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(new URL(path, settings.url), {
      method,
      headers: { authorization: `Bearer ${settings.token}`, "content-type": "application/json", "idempotency-key": key },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: "error",
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    text = await readBounded(response);
  } catch (error) {
    throw notReached(settings, error);
  }
  const data = parse(text);
  if (response.ok && data) return data;
  const refusal = refused(response.status, data);
  if (response.status !== 503) throw refusal;
  const seconds = Number(response.headers.get("retry-after"));
  throw new Again(refusal, Number.isFinite(seconds) ? Math.min(Math.max(seconds * 1000, 0), LONGEST_PAUSE_MS) : 0);
}

function notReached(settings: Settings, error: unknown): Error {
  if (error instanceof ValetkeyError) return error;
  const { name, cause } = error as { name?: string; cause?: { code?: string } };
  if (name === "TimeoutError")
    return new ValetkeyError("timeout", `valetkey at ${settings.url.origin} did not answer within ${ANSWER_WITHIN_MS / 1000} s.`, 0,
      "See `valetkey doctor`.");
  const code = cause?.code ?? "no connection";
  const reason = new ValetkeyError("unreachable", `valetkey does not answer at ${settings.url.origin} (${code}).`, 0,
    "Start it with `valetkey serve`, or set VALETKEY_URL to where it is.");
  // The call is idempotent, so a connection that broke may be tried again like one that was refused.
  return code === "ECONNREFUSED" || code === "ECONNRESET" || code === "UND_ERR_SOCKET" ? new Again(reason) : reason;
}

async function readBounded(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += (chunk as Uint8Array).byteLength;
    if (size > ANSWER_MAX) throw new ValetkeyError("bad_answer", "The answer is too large to come from valetkey.", response.status, "Check VALETKEY_URL.");
    text += decoder.decode(chunk as Uint8Array, { stream: true });
  }
  return text + decoder.decode();
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const data: unknown = JSON.parse(text);
    return typeof data === "object" && data !== null && !Array.isArray(data) ? (data as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const HINTS: Record<number, string> = {
  401: "Use the token in the daemon's admin.token.",
  403: "Use the token in the daemon's admin.token.",
  404: "Check VALETKEY_URL and the daemon's version.",
  429: "Ask again in a moment.",
  503: "Ask again in a moment; `valetkey doctor` says more.",
};

function refused(status: number, data: Record<string, unknown> | undefined): ValetkeyError {
  const error = data?.["error"] as { code?: unknown; message?: unknown } | undefined;
  const hint = HINTS[status] ?? "";
  if (typeof error?.code === "string" && typeof error.message === "string") return new ValetkeyError(error.code, error.message, status, hint);
  return new ValetkeyError("bad_answer", `What answered with status ${status} is not valetkey's admin API.`, status, hint || "Check VALETKEY_URL.");
}

function envMap(value: unknown): EnvMap {
  const entries = typeof value === "object" && value !== null ? Object.entries(value) : [];
  if (entries.length === 0 || entries.some(([, v]) => typeof v !== "string"))
    throw new ValetkeyError("bad_answer", "valetkey's answer holds no environment for the build.", 200, "Check the daemon's version.");
  return Object.fromEntries(entries) as EnvMap;
}
