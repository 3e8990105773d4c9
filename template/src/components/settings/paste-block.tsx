"use client";

import { useState } from "react";

/** Lines to paste where the app runs. They hold what was typed a moment ago, and are gone with the page. */
export function PasteBlock({ block, rebuild }: { block: string; rebuild: boolean }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(block).then(
      () => setCopied(true),
      () => setCopied(false),
    );
  };
  return (
    <div data-testid="paste-block" className="rounded-md border border-line px-4 py-3">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p className="font-medium">Environment variables to set on the host</p>
        <button type="button" onClick={() => void copy()} className="rounded-md border border-line px-3 py-1 font-medium hover:border-accent hover:text-accent">
          {copied ? "Copied" : "Copy"}
        </button>
      </div>
      <textarea readOnly aria-label="Environment variables to set on the host" rows={Math.min(12, block.split("\n").length)} value={block} spellCheck={false} className="mt-2 w-full resize-y rounded-md border border-line bg-page px-3 py-2 font-mono text-xs" />
      <p className="mt-2 text-[0.95rem] text-soft">
        An empty line is meant: it clears an address that belongs to the build&rsquo;s keys. Then {rebuild ? "deploy again, with a new build" : "restart the app"}; until
        then it runs on the keys that it has.
      </p>
    </div>
  );
}
