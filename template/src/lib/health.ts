import "server-only";
import { toDatabaseError } from "./db-error";
import type { DatabaseHealth } from "./note-types";
import { countNotes } from "./notes";

/** One real query. A failure is an answer here, never thrown. */
export async function databaseHealth(): Promise<DatabaseHealth> {
  const started = performance.now();
  const ms = () => Math.round((performance.now() - started) * 10) / 10;
  try {
    const notes = await countNotes();
    return { ok: true, notes, ms: ms() };
  } catch (error) {
    const { code, message } = toDatabaseError(error);
    return { ok: false, error: { code, message }, ms: ms() };
  }
}
