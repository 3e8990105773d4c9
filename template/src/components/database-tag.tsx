"use client";

import type { DatabaseHealth } from "@/lib/note-types";
import type { KeyState } from "@/lib/services";

export function DatabaseTag({ keys, health }: { keys: KeyState; health: DatabaseHealth | null }) {
  return (
    <div className="mt-8 flex flex-wrap items-center gap-x-4 gap-y-2" data-service="turso">
      <span className="font-semibold">Database</span>
      <span data-testid="database-badge" className="key-tag font-mono text-sm text-accent">
        {keys}
      </span>
      <span data-testid="database-health" className={`text-[0.95rem] ${health && !health.ok ? "text-alarm" : "text-soft"}`}>
        {sentence(health)}
      </span>
    </div>
  );
}

function sentence(health: DatabaseHealth | null): string {
  if (health === null) return "asking…";
  return health.ok ? `answers in ${health.ms} ms` : "does not answer";
}
