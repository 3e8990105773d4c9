import type { ServiceHealth } from "@/lib/note-types";
import type { KeyState } from "@/lib/services";

const VENDORS = { database: "turso", auth: "clerk", storage: "r2", payments: "stripe" } as const;
type Props = { service: keyof typeof VENDORS; name: string; keys: KeyState; health?: ServiceHealth | null };

/** Whose keys a service has, and whether it answers; `health` null: not asked yet, left out: not shown. */
export function ServiceTag({ service, name, keys, health }: Props) {
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-1" data-service={VENDORS[service]}>
      <span className="min-w-22 font-semibold">{name}</span>
      <span data-testid={`${service}-badge`} className="key-tag font-mono text-sm text-accent">
        {keys}
      </span>
      {health !== undefined && (
        <span data-testid={`${service}-health`} className={`text-[0.95rem] ${health && !health.ok ? "text-alarm" : "text-soft"}`}>
          {sentence(health)}
        </span>
      )}
    </div>
  );
}

function sentence(health: ServiceHealth | null): string {
  if (health === null) return "asking…";
  if (health.ok) return `answers in ${health.ms} ms`;
  const { code, message } = health.error;
  if (/refused/.test(code)) return "refuses the key";
  return /not_set|bad_|mixed/.test(code) ? message : "does not answer";
}
