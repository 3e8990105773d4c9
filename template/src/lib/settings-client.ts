// The browser's side of /api/settings. What is typed goes to the app once and is never asked back.
import type { KeyValues, ServiceId, ServiceReport } from "./key-types";
import type { ApiError } from "./note-types";
import { RequestFailed } from "./notes-client";
import type { HostAnswer, HostAsk, SaveAnswer, SettingsView } from "./settings-types";

const ANSWER_WITHIN_MS = 90_000; // a ladder of calls to a vendor, 10 s each at most
const KEYS = "/api/settings/keys";
const SESSION = "/api/settings/session";

export const unlock = (token?: string) => ask<{ csrf: string }>("PUT", SESSION, token === undefined ? {} : { token });
export const lock = (csrf: string) => ask<null>("DELETE", SESSION, undefined, csrf);
export const claim = (csrf: string) => ask<null>("POST", "/api/settings/owner", {}, csrf);
export const readSettings = () => ask<SettingsView>("GET", KEYS);
export const pushToHost = (csrf: string, asked: HostAsk) => ask<HostAnswer>("POST", "/api/settings/host", asked, csrf);

/** A report that says no is an answer like one that says yes. */
export async function sendKeys(csrf: string, service: ServiceId, values: KeyValues, save: boolean, webhook: boolean): Promise<SaveAnswer> {
  const response = await send("POST", KEYS, { service, values, save, webhook }, csrf);
  const data = (await response.json().catch(() => null)) as (Partial<SaveAnswer> & { report?: ServiceReport }) | null;
  if ((response.ok || response.status === 422) && data?.report) return data as SaveAnswer;
  throw failed(response.status, data);
}

/** The file as the app made it, and the name that the app gave it. */
export async function fetchEnv(csrf: string, format: string): Promise<{ name: string; file: Blob }> {
  const response = await send("POST", "/api/settings/env", { format }, csrf);
  if (!response.ok) throw failed(response.status, await response.json().catch(() => null));
  const name = /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "")?.[1];
  return { name: name ?? ".env.production", file: await response.blob() };
}

async function ask<T>(method: string, url: string, body?: unknown, csrf?: string): Promise<T> {
  const response = await send(method, url, body, csrf);
  const data: unknown = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) throw failed(response.status, data);
  return data as T;
}

async function send(method: string, url: string, body: unknown, csrf?: string): Promise<Response> {
  const headers: Record<string, string> = { ...(body !== undefined && { "content-type": "application/json" }), ...(csrf && { "x-settings-csrf": csrf }) };
  try {
    return await fetch(url, { method, headers, cache: "no-store", signal: AbortSignal.timeout(ANSWER_WITHIN_MS), ...(body !== undefined && { body: JSON.stringify(body) }) });
  } catch {
    throw new RequestFailed(0, { code: "app_unreachable", message: "The app itself does not answer. Check that it runs, then try again." });
  }
}

function failed(status: number, data: unknown): RequestFailed {
  const error = (data as { error?: ApiError } | null)?.error;
  return new RequestFailed(status, error ?? { code: "unknown", message: `The app answered ${status}.` });
}
