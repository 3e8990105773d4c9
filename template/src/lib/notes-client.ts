// The browser's side of /api/notes.
import type { ApiError, Health, NotePage, NoteView } from "./note-types";

export class RequestFailed extends Error {
  constructor(
    readonly status: number,
    readonly error: ApiError,
  ) {
    super(error.message);
    this.name = "RequestFailed";
  }
}

type Answer<T> = { status: number; data: T };

export const fetchNotes = (after: string | null = null) =>
  request<NotePage>("GET", after === null ? "/api/notes" : `/api/notes?after=${encodeURIComponent(after)}`);
export const postNote = (body: string) => request<NoteView>("POST", "/api/notes", { body });
export const patchNote = (id: number, change: { body?: string; pinned?: boolean }) =>
  request<NoteView>("PATCH", `/api/notes/${id}`, change);
export const removeNote = (id: number) => request<null>("DELETE", `/api/notes/${id}`);
export const fetchHealth = () => request<Health>("GET", "/api/health");

export async function request<T>(method: string, url: string, body?: unknown): Promise<Answer<T>> {
  const init: RequestInit = { method, signal: AbortSignal.timeout(15_000) };
  if (body !== undefined) {
    init.headers = { "content-type": "application/json" };
    init.body = JSON.stringify(body);
  }
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch {
    throw new RequestFailed(0, { code: "app_unreachable", message: "The app itself does not answer. Check that it runs, then try again." });
  }
  const data: unknown = response.status === 204 ? null : await response.json().catch(() => null);
  if (response.ok) return { status: response.status, data: data as T };
  const error = (data as { error?: ApiError } | null)?.error;
  throw new RequestFailed(response.status, error ?? { code: "unknown", message: `The app answered ${response.status}.` });
}
