"use client";

import { useCallback, useRef, useState } from "react";
import { RequestFailed } from "@/lib/notes-client";
import type { ApiError } from "@/lib/note-types";

const LOG_LINES = 8;

export type LogLine = { key: number; text: string; failed: boolean };

/** What a page did, the newest first; `failed` writes a failure down and gives what to tell people. */
export function useLog() {
  const [log, setLog] = useState<LogLine[]>([]);
  const lineKey = useRef(0);

  const say = useCallback((text: string, failed = false) => {
    lineKey.current += 1;
    const line = { key: lineKey.current, text, failed };
    setLog((lines) => [line, ...lines].slice(0, LOG_LINES));
  }, []);

  const failed = useCallback(
    (what: string, error: unknown): ApiError => {
      const failure = error instanceof RequestFailed ? error : new RequestFailed(0, { code: "unknown", message: "Something went wrong." });
      say(`${what} (${failure.status === 0 ? "no answer" : failure.status})`, true);
      return failure.error;
    },
    [say],
  );

  return { log, say, failed };
}
