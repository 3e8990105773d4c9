import type { LogLine } from "./use-log";

export function ActivityLog({ lines }: { lines: LogLine[] }) {
  return (
    <section aria-label="Activity" className="border-t border-line pt-4 lg:sticky lg:top-10 lg:self-start">
      <h2 className="text-base font-semibold">Activity</h2>
      <ol role="log" aria-live="polite" className="mt-2 flex min-h-6 flex-col gap-1 font-mono text-sm">
        {lines.map((line, index) => (
          <li key={line.key} className={line.failed ? "text-alarm" : index === 0 ? "text-ink" : "text-soft"}>
            {line.text}
          </li>
        ))}
        {lines.length === 0 && <li className="text-soft">What this page asks for shows up here.</li>}
      </ol>
    </section>
  );
}
