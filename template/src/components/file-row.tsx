"use client";

import { useState } from "react";
import { bytes, type FileView } from "@/lib/file-types";
import type { ApiError } from "@/lib/note-types";
import { money } from "@/lib/shop-types";
import { LocalTime } from "./local-time";

type Act = (file: FileView) => Promise<ApiError | null>;
const action = "rounded-md px-2 py-1 text-[0.95rem] font-medium text-soft hover:text-accent aria-disabled:opacity-60";

export function FileRow({ file, download, remove }: { file: FileView; download: Act; remove: Act }) {
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);

  const run = async (act: Act) => {
    if (busy) return;
    setBusy(true);
    const failure = await act(file);
    setBusy(false);
    setAsking(false);
    setProblem(failure?.message ?? null);
  };

  return (
    <li data-file={file.id} className="rounded-lg bg-paper px-4 py-4 sm:px-6">
      <p className="price-line text-lg">
        <span className="min-w-0 font-medium break-words">{file.name}</span>
        <span aria-hidden="true" className="price-leader" />
        <span className="font-mono text-base whitespace-nowrap text-accent tabular-nums">{bytes(file.size)}</span>
      </p>
      <div className="mt-1 flex flex-wrap items-center justify-between gap-x-4 gap-y-1">
        <p className="flex flex-wrap gap-x-3 text-[0.95rem] text-soft">
          <LocalTime iso={file.createdAt} edited={false} />
          <span data-testid="terms">{terms(file)}</span>
        </p>
        {asking ? (
          <div role="group" aria-label={`Delete ${file.name}?`} className="flex items-center gap-1">
            <span className="mr-1 text-alarm">Delete it?</span>
            <button type="button" aria-disabled={busy} onClick={() => void run(remove)} className="rounded-md bg-alarm-tint px-2.5 py-1 font-semibold text-alarm hover:brightness-95">
              Yes, delete
            </button>
            <button type="button" autoFocus onClick={() => setAsking(false)} className={action}>
              Keep
            </button>
          </div>
        ) : (
          <div className="-mx-2 flex">
            <button type="button" aria-label={`Download ${file.name}`} aria-disabled={busy} onClick={() => void run(download)} className={action}>
              Download
            </button>
            {file.mine && (
              <button type="button" aria-label={`Delete ${file.name}`} onClick={() => setAsking(true)} className={action}>
                Delete
              </button>
            )}
          </div>
        )}
      </div>
      {problem && (
        <p role="alert" className="mt-3 rounded-md bg-alarm-tint px-3 py-2 text-alarm">
          {problem}
        </p>
      )}
    </li>
  );
}

function terms({ mine, open, shared, product }: FileView): string {
  if (!product) return shared ? (mine ? "for everybody, yours" : "for everybody") : "only for you";
  const sold = `with ${product.name}, ${money(product.priceCents, product.currency)}`;
  if (mine) return `${sold}, yours`;
  return open ? `${sold}, paid` : `${sold}, not paid`;
}
