"use client";

import { useState, type FormEvent } from "react";
import type { ServiceForm } from "@/lib/key-form";
import type { KeyValues, ServiceReport } from "@/lib/key-types";
import type { SaveAnswer, ServiceState } from "@/lib/settings-types";
import { KeyField } from "./key-field";
import { PasteBlock } from "./paste-block";
import { Report } from "./report";

/** The names that pages and their tests use for the services. */
const HOOKS = { clerk: "clerk", database: "turso", storage: "r2", stripe: "stripe" } as const;
const STATUS = { "build keys": "proxy", "your keys": "own", "not set": "missing" } as const;

export type Sent = { answer: SaveAnswer; error?: undefined } | { answer?: undefined; error: string };
type Props = {
  form: ServiceForm;
  state: ServiceState;
  outcome: Sent | null;
  send: (values: KeyValues, save: boolean, webhook: boolean) => Promise<Sent>;
};

const plain = "rounded-md border border-line bg-paper px-4 py-2.5 font-semibold hover:border-accent hover:text-accent active:translate-y-px aria-disabled:opacity-60 max-sm:w-full";
const main = "rounded-md bg-accent px-5 py-2.5 font-semibold text-on-accent hover:brightness-110 active:translate-y-px aria-disabled:opacity-60 max-sm:w-full";

export function ServiceCard({ form, state, outcome, send }: Props) {
  const [typed, setTyped] = useState<KeyValues>({});
  const [webhook, setWebhook] = useState(true);
  const [busy, setBusy] = useState<"validate" | "save" | null>(null);
  const title = `${form.id}-title`;
  const asks = form.id === "stripe" && !typed["STRIPE_WEBHOOK_SECRET"];

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (busy) return;
    const save = (event.nativeEvent as SubmitEvent).submitter?.getAttribute("value") !== "validate";
    setBusy(save ? "save" : "validate");
    const values = Object.fromEntries(Object.entries(typed).map(([name, value]) => [name, value.trim()] as const).filter(([, value]) => value !== ""));
    const { answer } = await send(values, save, asks && webhook);
    if (answer?.saved) setTyped({});
    setBusy(null);
  };

  const problems = fieldProblems(outcome?.answer?.report);
  return (
    <section aria-labelledby={title} data-service={HOOKS[form.id]} className="min-w-0 rounded-lg border border-line bg-paper px-5 py-6 break-words sm:px-7">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <h2 id={title} className="text-2xl font-semibold tracking-tight">
          {form.name}
        </h2>
        <span data-status={STATUS[state.keys]} className="key-tag font-mono text-sm text-accent">
          {state.keys}
        </span>
        {state.mode && (
          <span data-testid="mode" className="rounded-full border border-line px-2.5 py-0.5 font-mono text-xs text-soft">
            {state.mode} mode
          </span>
        )}
      </div>
      <p className="mt-2 max-w-[60ch] text-pretty text-soft">{form.purpose}</p>

      <details className="mt-4">
        <summary className="w-fit font-medium text-accent underline-offset-4 hover:underline">Where to get these keys</summary>
        <ol className="mt-2 max-w-[62ch] list-decimal space-y-1.5 pl-6 text-pretty marker:font-mono marker:text-sm marker:text-soft">
          {form.steps.map((step) => (
            <li key={step}>{step}</li>
          ))}
        </ol>
        <a href={form.dashboard} target="_blank" rel="noopener noreferrer" className="mt-3 inline-block font-medium text-accent underline underline-offset-4 hover:no-underline">
          Open the dashboard
          <span className="sr-only"> in a new tab</span>
          <span aria-hidden="true"> ↗</span>
        </a>
      </details>

      <form method="post" onSubmit={(event) => void submit(event)} noValidate aria-describedby={`${form.id}-stays`} className="mt-5 flex flex-col gap-4">
        <div className="grid items-start gap-x-5 gap-y-4 sm:grid-cols-2">
          {form.fields.map((field) => (
            <KeyField
              key={field.env}
              field={field}
              shown={state.values[field.env]}
              own={state.keys === "your keys"}
              value={typed[field.env] ?? ""}
              problem={problems.get(field.env)}
              change={(value) => setTyped((before) => ({ ...before, [field.env]: value }))}
            />
          ))}
        </div>
        {asks && (
          <label className="flex items-start gap-2.5">
            <input type="checkbox" checked={webhook} onChange={(event) => setWebhook(event.target.checked)} className="mt-1.5 accent-[var(--c-accent)]" />
            <span>
              Register this app&rsquo;s webhook with the key when it is saved.{" "}
              <span className="text-soft">Then there is no signing secret to copy. It needs a public https address.</span>
            </span>
          </label>
        )}
        <div id={`${form.id}-stays`} className="border-l-2 border-line pl-4">
          <p className="font-medium">What does not move by itself</p>
          <ul className="mt-1 max-w-[62ch] list-disc space-y-1 pl-5 text-[0.95rem] text-pretty text-soft">
            {form.stays.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </div>
        <div className="flex flex-wrap gap-3">
          <button type="submit" value="save" aria-disabled={busy !== null} className={main}>
            {busy === "save" ? "Validating…" : "Validate & save"}
          </button>
          <button type="submit" value="validate" aria-disabled={busy !== null} className={plain}>
            {busy === "validate" ? "Validating…" : "Validate"}
          </button>
        </div>
      </form>
      {/* There from the beginning, or nobody is told; the report itself is long, and read at leisure. */}
      <p role="status" className="sr-only">
        {busy ? "Validating…" : outcome?.answer ? headline(form, outcome.answer) : ""}
      </p>
      <div className="mt-4 flex flex-col gap-4 empty:hidden">
        {outcome?.error && (
          <p role="alert" data-testid="problem" className="rounded-md bg-alarm-tint px-4 py-2.5 text-alarm">
            {outcome.error}
          </p>
        )}
        {outcome?.answer && <Outcome form={form} answer={outcome.answer} />}
      </div>
    </section>
  );
}

function Outcome({ form, answer }: { form: ServiceForm; answer: SaveAnswer }) {
  return (
    <>
      <Report report={answer.report} title={headline(form, answer)} />
      {answer.webhook && (
        <p data-testid="webhook" className={`rounded-md px-4 py-2.5 ${answer.webhook.created ? "bg-tint" : "bg-alarm-tint text-alarm"}`}>
          {answer.webhook.say}
        </p>
      )}
      {answer.block !== undefined && <PasteBlock block={answer.block} rebuild={answer.rebuild === true} />}
    </>
  );
}

function headline({ vendor }: ServiceForm, { report, saved, block }: SaveAnswer): string {
  if (saved) return `Saved. From now on ${vendor} serves this app with your keys.`;
  if (block !== undefined) return `These keys hold at ${vendor}. This host keeps its files as they are, so put them into its settings:`;
  if (report.valid) return `These keys hold at ${vendor}. Nothing was saved.`;
  if (report.unverified) return `Nothing was saved: ${vendor} could not be asked. Try again in a moment.`;
  return `Nothing was saved. ${report.error ?? ""}`;
}

/** What to say at a field: the first thing that failed there. */
function fieldProblems(report: ServiceReport | undefined): Map<string, string> {
  const problems = new Map<string, string>();
  for (const { field, verdict, say } of report?.checks ?? []) {
    if (field && verdict === "fail" && !problems.has(field)) problems.set(field, say);
  }
  return problems;
}
