import type { Check, ServiceReport, Verdict } from "@/lib/key-types";

type Tried = Check & { verdict: Exclude<Verdict, "skipped"> };

const MARKS: Record<Exclude<Verdict, "skipped">, { mark: string; word: string; look: string }> = {
  pass: { mark: "✓", word: "passed", look: "text-accent" },
  limited: { mark: "◐", word: "limited", look: "text-accent" },
  fail: { mark: "✕", word: "failed", look: "text-alarm" },
  unknown: { mark: "?", word: "not known", look: "text-alarm" },
};

/** What was asked of the vendor, what came back, how long it took, and what to do about it. */
export function Report({ report, title }: { report: ServiceReport; title: string }) {
  const tried = report.checks.filter((check): check is Tried => check.verdict !== "skipped");
  const skipped = report.checks.length - tried.length;
  return (
    <div data-testid="report" data-valid={report.valid} className={`rounded-md px-4 py-3 ${report.valid ? "bg-tint" : "bg-alarm-tint"}`}>
      <p className={`font-medium ${report.valid ? "text-accent" : "text-alarm"}`}>
        {title}
      </p>
      <ol className="mt-3 flex flex-col gap-2.5">
        {tried.map((check) => (
          <Line key={`${check.id} ${check.field ?? ""}`} check={check} />
        ))}
        {skipped > 0 && (
          <li data-verdict="skipped" className="grid grid-cols-[1.25rem_minmax(0,1fr)] gap-x-2 text-soft">
            <span aria-hidden="true" className="font-mono">
              –
            </span>
            {skipped === 1 ? "One more check was" : `${skipped} more checks were`} not tried.
          </li>
        )}
      </ol>
    </div>
  );
}

function Line({ check }: { check: Tried }) {
  const { mark, word, look } = MARKS[check.verdict];
  return (
    <li data-check={check.id} data-verdict={check.verdict} className="grid grid-cols-[1.25rem_minmax(0,1fr)] gap-x-2">
      <span aria-hidden="true" className={`font-mono ${look}`}>
        {mark}
      </span>
      <div className="min-w-0 break-words">
        <p>
          <span className="sr-only">{word}: </span>
          {check.say}
          {check.fix && <span className="font-medium"> {check.fix}</span>}
        </p>
        {check.call && (
          <p className="font-mono text-xs leading-relaxed break-words text-soft">
            {check.call}
            {check.answer && ` → ${check.answer}`}
            {check.ms !== undefined && `, ${check.ms} ms`}
          </p>
        )}
      </div>
    </li>
  );
}
