"use client";

import { useState } from "react";
import type { ApiError } from "@/lib/note-types";

export function EmptyState({ begin }: { begin: () => void }) {
  return (
    <div data-testid="empty" className="rounded-lg border-[1.5px] border-dashed border-line px-6 py-10">
      <p className="text-lg font-semibold">No notes yet</p>
      <p className="mt-1 max-w-[48ch] text-soft">The first one becomes row 1 of a table that only this app can open.</p>
      <button type="button" onClick={begin} className="mt-4 font-medium text-accent underline underline-offset-4 hover:no-underline">
        Write the first one
      </button>
    </div>
  );
}

const TITLES: Record<string, string> = {
  not_set: "No database is set",
  bad_address: "The database address is not right",
  refused: "The key was refused",
  app_unreachable: "The app does not answer",
};

type Problem = { title?: string; problem: ApiError; retry: () => Promise<void> };

export function ProblemState({ title = "Notes could not be read", problem, retry }: Problem) {
  const [busy, setBusy] = useState(false);
  const tryAgain = async () => {
    if (busy) return;
    setBusy(true);
    await retry();
    setBusy(false);
  };
  return (
    <div role="alert" data-testid="problem" className="rounded-lg bg-alarm-tint px-6 py-8">
      <p className="text-lg font-semibold text-alarm">{TITLES[problem.code] ?? title}</p>
      <p className="mt-1 max-w-[52ch]">{problem.message}</p>
      <button
        type="button"
        onClick={() => void tryAgain()}
        aria-disabled={busy}
        className="mt-5 rounded-md border border-alarm px-4 py-2 font-semibold text-alarm aria-disabled:opacity-60"
      >
        {busy ? "Trying…" : "Try again"}
      </button>
    </div>
  );
}
