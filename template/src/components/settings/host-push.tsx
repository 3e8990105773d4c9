"use client";

import { useId, useState, type FormEvent } from "react";
import { RequestFailed } from "@/lib/notes-client";
import { pushToHost } from "@/lib/settings-client";
import type { Host, HostAnswer, Platform } from "@/lib/settings-types";

const HOSTS: { host: Host; name: string; where: string; project: string }[] = [
  { host: "vercel", name: "Vercel", where: "Account settings, Tokens: one for this project’s team that ends today.", project: "Project name or id" },
  { host: "netlify", name: "Netlify", where: "User settings, Applications: a personal access token that ends today.", project: "Site id" },
];

/** Puts the owner's keys into the settings of a host, after it has shown what would change there. */
export function HostPush({ csrf, platform }: { csrf: string; platform: Platform }) {
  const [host, setHost] = useState<Host>(platform === "netlify" ? "netlify" : "vercel");
  const [answer, setAnswer] = useState<HostAnswer | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const id = useId();
  const about = HOSTS.find((one) => one.host === host)!;

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (busy) return;
    const dryRun = (event.nativeEvent as SubmitEvent).submitter?.getAttribute("value") !== "push";
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name) ?? "").trim();
    setBusy(true);
    try {
      setAnswer(await pushToHost(csrf, { host, token: text("token"), project: text("project"), ...(text("team") && { team: text("team") }), dryRun }));
      setProblem(null);
    } catch (error) {
      setAnswer(null);
      setProblem(error instanceof RequestFailed ? error.error.message : "Something went wrong.");
    }
    setBusy(false);
  };

  const input = "mt-1 w-full rounded-md border border-line bg-paper px-3 py-2 font-mono text-[0.95rem]";
  return (
    <details className="mt-8" open={platform === "vercel" || platform === "netlify"}>
      <summary className="w-fit font-medium text-accent underline-offset-4 hover:underline">Put them into the settings of your host</summary>
      <form method="post" onSubmit={(event) => void submit(event)} noValidate className="mt-4 flex max-w-xl flex-col gap-4">
        <label className="flex flex-wrap items-center gap-2">
          Host
          <select value={host} onChange={(event) => (setHost(event.target.value as Host), setAnswer(null))} className="rounded-md border border-line bg-paper px-3 py-2">
            {HOSTS.map((one) => (
              <option key={one.host} value={one.host}>
                {one.name}
              </option>
            ))}
          </select>
        </label>
        <div>
          <label htmlFor={`${id}-project`} className="font-medium">
            {about.project}
          </label>
          <input id={`${id}-project`} name="project" autoComplete="off" autoCapitalize="none" spellCheck={false} className={input} />
        </div>
        <div>
          <label htmlFor={`${id}-team`} className="font-medium">
            Team <span className="text-sm font-normal text-soft">optional</span>
          </label>
          <input id={`${id}-team`} name="team" autoComplete="off" autoCapitalize="none" spellCheck={false} className={input} />
        </div>
        <div>
          <label htmlFor={`${id}-token`} className="font-medium">
            Access token
          </label>
          <input id={`${id}-token`} name="token" type="password" autoComplete="off" aria-describedby={`${id}-where`} className={input} />
          <p id={`${id}-where`} className="mt-1 text-[0.95rem] text-pretty text-soft">
            {about.where} It is used for this one request and kept nowhere.
          </p>
        </div>
        <div className="flex flex-wrap gap-3">
          <button type="submit" value="look" aria-disabled={busy} className="rounded-md border border-line bg-paper px-4 py-2 font-semibold hover:border-accent hover:text-accent aria-disabled:opacity-60 max-sm:w-full">
            Show what would change
          </button>
          {answer && !answer.applied && answer.plan.length > 0 && (
            <button type="submit" value="push" aria-disabled={busy} className="rounded-md bg-accent px-4 py-2 font-semibold text-on-accent hover:brightness-110 aria-disabled:opacity-60 max-sm:w-full">
              Change it at {about.name}
            </button>
          )}
        </div>
        <div aria-live="polite">
          {problem && (
            <p role="alert" className="rounded-md bg-alarm-tint px-4 py-2.5 text-alarm">
              {problem}
            </p>
          )}
          {answer && <Plan answer={answer} name={about.name} />}
        </div>
      </form>
    </details>
  );
}

function Plan({ answer: { plan, applied }, name }: { answer: HostAnswer; name: string }) {
  return (
    <div data-testid="host-plan" className="rounded-md bg-tint px-4 py-3">
      <p className="font-medium">{plan.length === 0 ? `Nothing to change at ${name}.` : applied ? `${name} has them. Deploy again, with a new build.` : "Nothing has changed yet. This would:"}</p>
      <ul className="mt-2 flex flex-col gap-1 font-mono text-xs break-all">
        {plan.map(({ name: variable, action }) => (
          <li key={variable}>
            {action} {variable}
          </li>
        ))}
      </ul>
    </div>
  );
}
