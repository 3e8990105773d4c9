"use client";

import { useCallback, useEffect, useState } from "react";
import type { ApiError, Health, NotePage, NoteView } from "@/lib/note-types";
import { fetchHealth, fetchNotes, patchNote, postNote, removeNote, RequestFailed } from "@/lib/notes-client";
import { useLog } from "./use-log";

const HEALTH_EVERY_MS = 10_000;

export type FirstPage = NotePage | { error: ApiError };

/** A call's answer, or null when it failed: then `problem` or the log says why. */
export function useNotes(first: FirstPage) {
  const [page, setPage] = useState<NotePage>("error" in first ? { notes: [], next: null, total: 0 } : first);
  const [problem, setProblem] = useState<ApiError | null>("error" in first ? first.error : null);
  const [newest, setNewest] = useState<number | null>(null);
  const { log, say, failed } = useLog();

  const reload = useCallback(async () => {
    try {
      const { status, data } = await fetchNotes();
      setPage(data);
      setProblem(null);
      say(`${data.total} ${data.total === 1 ? "note" : "notes"} read (${status})`);
    } catch (error) {
      setProblem(failed("notes not read", error));
    }
  }, [say, failed]);

  const more = useCallback(async () => {
    try {
      const { status, data } = await fetchNotes(page.next);
      setPage((shown) => ({ ...data, notes: withoutTwins([...shown.notes, ...data.notes]) }));
      say(`${data.notes.length} older read (${status})`);
    } catch (error) {
      failed("older notes not read", error);
    }
  }, [page.next, say, failed]);

  const write = useCallback(
    async (body: string): Promise<ApiError | null> => {
      try {
        const { status, data } = await postNote(body);
        setPage((shown) => ({ ...shown, notes: sorted([...shown.notes, data]), total: shown.total + 1 }));
        setNewest(data.id);
        setProblem(null);
        say(`note #${data.id} written (${status})`);
        return null;
      } catch (error) {
        return failed("note not written", error);
      }
    },
    [say, failed],
  );

  const change = useCallback(
    async (id: number, fields: { body?: string; pinned?: boolean }): Promise<ApiError | null> => {
      try {
        const { status, data } = await patchNote(id, fields);
        setPage((shown) => ({ ...shown, notes: sorted(shown.notes.map((note) => (note.id === id ? data : note))) }));
        say(`note #${id} ${changeName(fields)} (${status})`);
        return null;
      } catch (error) {
        return failed(`note #${id} not changed`, error);
      }
    },
    [say, failed],
  );

  const remove = useCallback(
    async (id: number): Promise<ApiError | null> => {
      const drop = () =>
        setPage((shown) => ({ ...shown, notes: shown.notes.filter((note) => note.id !== id), total: Math.max(0, shown.total - 1) }));
      try {
        const { status } = await removeNote(id);
        drop();
        say(`note #${id} deleted (${status})`);
        return null;
      } catch (error) {
        const reason = failed(`note #${id} not deleted`, error);
        if (reason.code === "no_note") drop();
        return reason;
      }
    },
    [say, failed],
  );

  return { page, problem, log, newest, say, reload, more, write, change, remove };
}

/** Asks /api/health now and then while the page is visible, and whenever `asked` changes. null: not asked yet. */
export function useHealth(asked: unknown): Health | null {
  const [health, setHealth] = useState<Health | null>(null);
  useEffect(() => {
    let live = true;
    const ask = async () => {
      if (document.visibilityState !== "visible") return;
      try {
        const { data } = await fetchHealth();
        if (live) setHealth(data);
      } catch (error) {
        const none = error instanceof RequestFailed && { ok: false as const, error: error.error, ms: 0 };
        if (live && none) setHealth({ ok: true, database: none, auth: none, storage: none, payments: none, services: [] });
      }
    };
    void ask();
    const timer = setInterval(() => void ask(), HEALTH_EVERY_MS);
    return () => {
      live = false;
      clearInterval(timer);
    };
  }, [asked]);
  return health;
}

function sorted(notes: NoteView[]): NoteView[] {
  return notes.toSorted((a, b) => Number(b.pinned) - Number(a.pinned) || b.id - a.id);
}

function withoutTwins(notes: NoteView[]): NoteView[] {
  return [...new Map(notes.map((note) => [note.id, note])).values()];
}

function changeName(fields: { body?: string; pinned?: boolean }): string {
  if (fields.body !== undefined) return "edited";
  return fields.pinned ? "pinned" : "unpinned";
}
