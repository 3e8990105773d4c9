"use client";

import { useState, type FormEvent } from "react";
import { RequestFailed } from "@/lib/notes-client";
import { fetchEnv } from "@/lib/settings-client";
import type { Open } from "@/lib/settings-types";
import { HostPush } from "./host-push";

const FORMATS = [
  { format: "next", label: "Next.js (.env.production)" },
  { format: "dotenv", label: "dotenv" },
  { format: "node", label: "node --env-file" },
  { format: "shell", label: "shell (source it)" },
  { format: "docker", label: "docker --env-file" },
  { format: "systemd", label: "systemd EnvironmentFile" },
  { format: "json", label: "JSON" },
];

/** What comes after the keys: a file for the host, and what is left to do before people come. */
export function GoingLive({ view }: { view: Open }) {
  return (
    <section aria-labelledby="live-title" data-testid="going-live" className="mt-4 border-t border-line pt-6">
      <h2 id="live-title" className="text-2xl font-semibold tracking-tight">
        {view.allOwn ? "Nothing is left on the build’s keys" : "When the app moves out"}
      </h2>
      <p className="mt-2 max-w-[62ch] text-pretty text-soft">
        {view.allOwn
          ? "All four services run on your own keys. The build may end: its keys open nothing that this app uses."
          : "A service that still runs on the build’s keys ends with the build. Half of them replaced is fine: each one counts by itself."}
      </p>
      {view.allOwn && <Checklist live={view.services.every(({ mode }) => mode !== "test")} />}
      <EnvDownload csrf={view.csrf} />
      <HostPush csrf={view.csrf} platform={view.platform} />
    </section>
  );
}

function Checklist({ live }: { live: boolean }) {
  const points = [
    ...(live ? [] : ["Some keys are for test mode. Replace them with live ones when real money and real people come."]),
    "Run the migrations on the new database: the app does it by itself before its first query. Copy rows that you need with “valetkey db download”.",
    "Sign-in, live: add your domain in the dashboard of Clerk, and set its DNS records.",
    "Payments, live: make products and prices in the new account, and see that the webhook points to this app’s address.",
    "Storage: allow this app’s address in the bucket’s CORS rules, or browsers cannot upload.",
    "Make yourself the owner of this page, then take SETTINGS_TOKEN out of the environment.",
    "Build once more without the build’s variables, and look at /api/health.",
  ];
  return (
    <ol data-testid="checklist" className="mt-4 max-w-[62ch] list-decimal space-y-1.5 pl-6 text-pretty marker:font-mono marker:text-sm marker:text-soft">
      {points.map((point) => (
        <li key={point}>{point}</li>
      ))}
    </ol>
  );
}

function EnvDownload({ csrf }: { csrf: string }) {
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    try {
      const { name, file } = await fetchEnv(csrf, String(new FormData(event.currentTarget).get("format")));
      save(name, file);
      setProblem(null);
    } catch (error) {
      setProblem(error instanceof RequestFailed ? error.error.message : "Something went wrong.");
    }
    setBusy(false);
  };

  return (
    <form onSubmit={(event) => void submit(event)} className="mt-6">
      <p className="font-medium">Your keys as a file</p>
      <p className="mt-1 max-w-[62ch] text-[0.95rem] text-pretty text-soft">It holds your own keys in the clear, and none of the build&rsquo;s. Keep it out of the repository.</p>
      <div className="mt-3 flex flex-wrap items-center gap-3">
        <label className="flex max-w-full flex-wrap items-center gap-2">
          For
          <select name="format" defaultValue="next" className="max-w-full rounded-md border border-line bg-paper px-3 py-2">
            {FORMATS.map(({ format, label }) => (
              <option key={format} value={format}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" aria-disabled={busy} className="rounded-md border border-line bg-paper px-4 py-2 font-semibold hover:border-accent hover:text-accent aria-disabled:opacity-60 max-sm:w-full">
          Download
        </button>
      </div>
      {problem && (
        <p role="alert" className="mt-3 rounded-md bg-alarm-tint px-4 py-2.5 text-alarm">
          {problem}
        </p>
      )}
    </form>
  );
}

function save(name: string, file: Blob): void {
  const url = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
