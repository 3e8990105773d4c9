"use client";

import { useRouter } from "next/navigation";
import { useId, useState, type FormEvent } from "react";
import { RequestFailed } from "@/lib/notes-client";
import { readSettings, unlock } from "@/lib/settings-client";
import type { Locked } from "@/lib/settings-types";
import { focusNextTitle, useTitleFocus } from "./title-focus";

/** The page before its owner has shown who they are. */
export function Unlock({ view }: { view: Locked }) {
  const router = useRouter();
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const id = useId();
  const title = useTitleFocus();

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (busy) return;
    const token = String(new FormData(event.currentTarget).get("token") ?? "").trim();
    if (view.by === "token" && token === "") return setProblem("Type the setup token first.");
    setBusy(true);
    try {
      await unlock(view.by === "token" ? token : undefined);
      if (!(await isOpen())) throw new RequestFailed(401, { code: "no_cookie", message: NO_COOKIE });
      setProblem(null);
      focusNextTitle();
      router.refresh();
    } catch (error) {
      setProblem(error instanceof RequestFailed ? error.error.message : "Something went wrong.");
      setBusy(false);
    }
  };

  return (
    <main className="mx-auto max-w-xl px-5 py-16 sm:px-8">
      <h1 ref={title} tabIndex={-1} className="outline-none text-3xl font-semibold tracking-tight">Owner only</h1>
      <p className="mt-4 text-pretty text-soft">{EXPLAINED[view.by]}</p>
      {view.by !== "nobody" && (
        <form method="post" onSubmit={(event) => void submit(event)} noValidate className="mt-6 flex flex-col gap-4">
          {view.by === "token" && (
            <div>
              <label htmlFor={id} className="font-medium">
                Setup token
              </label>
              <input
                id={id}
                name="token"
                type="password"
                autoComplete="off"
                aria-invalid={problem !== null}
                aria-describedby={problem ? `${id}-problem` : undefined}
                className="mt-1 w-full rounded-md border border-line bg-paper px-3 py-2 font-mono aria-invalid:border-alarm"
              />
            </div>
          )}
          {problem && (
            <p id={`${id}-problem`} role="alert" className="rounded-md bg-alarm-tint px-4 py-2.5 text-alarm">
              {problem}
            </p>
          )}
          <button type="submit" aria-disabled={busy} className="self-start rounded-md bg-accent px-5 py-2.5 font-semibold text-on-accent hover:brightness-110 aria-disabled:opacity-60 max-sm:w-full">
            Unlock
          </button>
        </form>
      )}
    </main>
  );
}

const NO_COOKIE =
  "That was right, but your browser does not keep this app’s cookie, as it does for a page that is shown within another site’s. Open this page in a tab of its own, and unlock it there.";

/** Whether the session is one of this browser's by now. */
async function isOpen(): Promise<boolean> {
  try {
    await readSettings();
    return true;
  } catch (error) {
    if (error instanceof RequestFailed && error.status === 401) return false;
    throw error;
  }
}

const EXPLAINED: Record<Locked["by"], string> = {
  token: "Here the app’s keys are replaced. Whoever holds the setup token may do that: it is SETTINGS_TOKEN in the environment of the app, and “valetkey env” prints it.",
  owner: "Here the app’s keys are replaced. That is for its owner: sign in as the owner first, then unlock.",
  nobody: "Here the app’s keys are replaced, but no setup token is set. Start the app with SETTINGS_TOKEN in its environment (32 characters or more), then come back.",
};
