// The door of /api/settings: every route's requests pass the same checks in the same order before anything of them is read.
import "server-only";
import type { z } from "zod";
import { HttpError, readJson } from "./http";
import { OverlayError } from "./overlay-file";
import { count, waitOf, type Rate } from "./rate";
import { csrfIsRight, currentSession, TooOften, type Session } from "./settings-session";

/** `rate`: of all who ask this of the app together. */
type Gate = { rate?: Rate };

/** For who has no session yet. */
export async function withoutSession(request: Request, { rate }: Gate, handle: () => Promise<Response>): Promise<Response> {
  return settled(async () => {
    requireSameOrigin(request);
    if (rate) useUp(rate);
    return handle();
  });
}

/** 403 cross_origin, 401 locked, 403 csrf (all but GET), 429 too_often; then `handle`. */
export async function withSession(request: Request, { rate }: Gate, handle: (session: Session) => Promise<Response>): Promise<Response> {
  return settled(async () => {
    requireSameOrigin(request);
    const session = await currentSession();
    if (!session) throw new HttpError(401, "locked", "The settings are locked. Unlock them first.");
    if (request.method !== "GET" && !csrfIsRight(session, request.headers.get("x-settings-csrf")))
      throw new HttpError(403, "csrf", "This request lacks the page's own mark. Load the page again.");
    if (rate) useUp(rate);
    return handle(session);
  });
}

/** 415, 413, 400: no JSON of that shape. What is wrong is named, what was sent is not repeated. */
export async function readBody<S extends z.ZodType>(request: Request, schema: S): Promise<z.infer<S>> {
  const result = schema.safeParse(await readJson(request));
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new HttpError(400, "bad_request", `This request is not valid${issue?.path.length ? ` at ${issue.path.map((part) => String(part).slice(0, 64)).join(".")}` : ""}.`);
}

export function json(body: unknown, status = 200): Response {
  return Response.json(body, { status, headers: { "cache-control": "no-store" } });
}

/** Whether the browser reaches the app by https, as it says itself, or a proxy in front of the app does. */
export function isHttps(request: Request): boolean {
  const origin = request.headers.get("origin");
  if (origin) return origin.startsWith("https://");
  return request.headers.get("x-forwarded-proto")?.split(",")[0]?.trim() === "https";
}

/** Where the browser that asks has this app; null when it does not say. */
export function originHere(request: Request): string | null {
  const origin = request.headers.get("origin");
  const url = origin !== null && URL.canParse(origin) ? new URL(origin) : null;
  return url && hostsOf(request).includes(url.host) ? url.origin : null;
}

function useUp(rate: Rate): void {
  const wait = waitOf(rate);
  if (wait > 0) throw new TooOften(wait);
  count(rate);
}

/** Browsers say where a request comes from: by Sec-Fetch-Site, those that do not know it by Origin. A request that changes something
 * and says neither is no page's. */
function requireSameOrigin(request: Request): void {
  const site = request.headers.get("sec-fetch-site");
  const origin = request.headers.get("origin");
  const get = request.method === "GET";
  const good = site !== null ? site === "same-origin" || (get && site === "none") : origin !== null ? originHere(request) !== null : get;
  if (!good) throw new HttpError(403, "cross_origin", "Another site cannot use this app's settings.");
}

function hostsOf(request: Request): string[] {
  return ["host", "x-forwarded-host"].map((name) => request.headers.get(name)?.split(",")[0]?.trim() ?? "");
}

async function settled(handle: () => Promise<Response>): Promise<Response> {
  try {
    return await handle();
  } catch (error) {
    if (error instanceof HttpError) return failure(error.status, error.code, error.message, error instanceof TooOften ? error.seconds : undefined);
    if (error instanceof OverlayError) return failure(error.code === "keys_disk_full" ? 507 : 503, error.code, error.message);
    console.error("settings:", error instanceof Error ? error.name : "unknown error"); // a message could hold what was typed
    return failure(500, "internal", "Something went wrong. The app's log has the details.");
  }
}

function failure(status: number, code: string, message: string, seconds?: number): Response {
  const headers = { "cache-control": "no-store", ...(seconds !== undefined && { "retry-after": String(seconds) }) };
  return Response.json({ error: { code, message } }, { status, headers });
}
