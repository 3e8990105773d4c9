// Shared by server and browser.
import type { ServiceId } from "./key-types";
import type { KeyState } from "./services";

export const NOTE_MAX = 500;
export const PAGE_SIZE = 20;

export type NoteView = { id: number; body: string; pinned: boolean; createdAt: string; editedAt: string | null };
export type NotePage = { notes: NoteView[]; next: string | null; total: number };
export type DatabaseHealth = { ok: true; notes: number; ms: number } | { ok: false; error: ApiError; ms: number };
export type ServiceHealth = { ok: true; ms: number } | { ok: false; error: ApiError; ms: number };
/** `services`: whose keys each runs on. `keys` is there when keys of `.env.keys` count as not set, and says why. */
export type Health = {
  ok: true;
  database: DatabaseHealth;
  auth: ServiceHealth;
  storage: ServiceHealth;
  payments: ServiceHealth;
  services: { id: ServiceId; keys: KeyState; mode: "test" | "live" | null }[];
  keys?: ApiError;
};
export type ApiError = { code: string; message: string };
