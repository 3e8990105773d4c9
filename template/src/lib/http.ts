// What the API routes share: a bounded body, the same-origin rule, and errors as `{error: {code, message}}`.
import "server-only";
import type { z } from "zod";
import { DatabaseError } from "./db-error";
import { PaymentsError } from "./payments-error";
import { StorageError } from "./storage-error";

const BODY_MAX = 16 * 1024;

export class HttpError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = "HttpError";
  }
}

export async function answer(request: Request, handle: () => Promise<Response>): Promise<Response> {
  try {
    if (request.method !== "GET") requireSameOrigin(request);
    return await handle();
  } catch (error) {
    if (error instanceof HttpError) return failure(error.status, error.code, error.message);
    if (error instanceof DatabaseError || error instanceof StorageError || error instanceof PaymentsError) return failure(503, error.code, error.message);
    console.error("api:", error instanceof Error ? error.message : "unknown error");
    return failure(500, "internal", "Something went wrong. The app's log has the details.");
  }
}

export function check<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new HttpError(422, "invalid", result.error.issues[0]?.message ?? "This request is not valid.");
}

export async function readJson(request: Request): Promise<unknown> {
  if (!/^application\/json\b/i.test(request.headers.get("content-type") ?? ""))
    throw new HttpError(415, "not_json", "Send JSON with content-type application/json.");
  const text = new TextDecoder().decode(await readBytes(request, BODY_MAX));
  try {
    return JSON.parse(text);
  } catch {
    throw new HttpError(400, "bad_json", "The body is not valid JSON.");
  }
}

/** The whole body; 413 as soon as it is longer than `most` bytes. */
export async function readBytes(request: Request, most: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > most) throw new HttpError(413, "too_large", `The body is larger than ${most} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Where the browser that asks has this app: what a way back must begin with. Browsers put it on every POST. */
export function originOf(request: Request): string {
  const origin = request.headers.get("origin");
  const url = origin && URL.canParse(origin) ? new URL(origin) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.host !== request.headers.get("host"))
    throw new HttpError(400, "no_origin", "This request does not say from where it comes.");
  return url.origin;
}

/** Browsers say where a request comes from; another site must not write with a visitor's browser. */
function requireSameOrigin(request: Request): void {
  const site = request.headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin" && site !== "none")
    throw new HttpError(403, "cross_origin", "Another site cannot use this app's API.");
}

function failure(status: number, code: string, message: string): Response {
  return Response.json({ error: { code, message } }, { status, headers: status === 503 ? { "retry-after": "2" } : {} });
}
