"use client";

import { useRouter } from "next/navigation";
import { useEffect, useState } from "react";
import type { ServiceForm } from "@/lib/key-form";
import type { KeyValues, ServiceId } from "@/lib/key-types";
import { RequestFailed } from "@/lib/notes-client";
import { claim, lock, sendKeys } from "@/lib/settings-client";
import type { Open } from "@/lib/settings-types";
import { GoingLive } from "./going-live";
import { ServiceCard, type Sent } from "./service-card";
import { takeKept, keep } from "./kept-outcome";
import { focusNextTitle, useTitleFocus } from "./title-focus";

type Props = { view: Open; forms: ServiceForm[] };

/** The app's keys, one card a service: replaced, validated and in effect without a new build. */
export function ApiKeySettings({ view, forms }: Props) {
  const router = useRouter();
  const [outcomes, setOutcomes] = useState<Partial<Record<ServiceId, Sent>>>({});
  const [problem, setProblem] = useState<string | null>(null);
  const title = useTitleFocus();

  // Only once the page is the browser's: what the server made had no outcome, and the two must be the same at first.
  useEffect(() => setOutcomes((now) => ({ ...takeKept(), ...now })), []);

  const act = (what: () => Promise<unknown>) => async () => {
    try {
      await what();
      setProblem(null);
      router.refresh();
    } catch (error) {
      setProblem(sentence(error));
    }
  };

  const send = (service: ServiceId) => async (values: KeyValues, save: boolean, webhook: boolean): Promise<Sent> => {
    const sent = await attempt(() => sendKeys(view.csrf, service, values, save, webhook));
    setOutcomes((before) => ({ ...before, [service]: sent }));
    if (sent.answer?.saved) {
      // The script of the old sign-in stays in the page until the page is loaded anew.
      if (service === "clerk") {
        keep(service, sent);
        location.reload();
      } else router.refresh();
    }
    return sent;
  };

  return (
    <main className="mx-auto grid max-w-6xl gap-x-16 gap-y-10 px-5 py-10 sm:px-8 lg:grid-cols-[minmax(0,4fr)_minmax(0,7fr)] lg:py-20">
      <div className="lg:sticky lg:top-10 lg:self-start">
        <h1 ref={title} tabIndex={-1} className="outline-none text-[clamp(2.6rem,6.2vw,4.5rem)] leading-[0.95] font-semibold tracking-[-0.045em]">Keys</h1>
        <p className="mt-6 max-w-[44ch] text-lg leading-relaxed text-pretty text-soft">
          This app was made on keys of its build. Replace them with your own, one service at a time: each key is tried at its vendor first, and
          counts from the next request on.
        </p>
        <p data-testid="migrated" className="mt-6 text-lg">
          <span className="font-mono text-accent tabular-nums">{view.migrated} of 4 services</span> on your own keys.
        </p>
        <OwnerNote view={view} claim={act(() => claim(view.csrf))} />
        {problem && (
          <p role="alert" className="mt-4 rounded-md bg-alarm-tint px-4 py-2.5 text-alarm">
            {problem}
          </p>
        )}
        <button type="button" onClick={() => void act(() => lock(view.csrf).then(focusNextTitle))()} className="mt-6 rounded-md border border-line bg-paper px-4 py-2 font-medium hover:border-accent hover:text-accent">
          Lock this page
        </button>
      </div>
      <div className="flex min-w-0 flex-col gap-6">
        {forms.map((form) => {
          const state = view.services.find(({ id }) => id === form.id);
          return state && <ServiceCard key={form.id} form={form} state={state} outcome={outcomes[form.id] ?? null} send={send(form.id)} />;
        })}
        <GoingLive view={view} />
      </div>
    </main>
  );
}

function OwnerNote({ view, claim: makeMine }: { view: Open; claim: () => Promise<void> }) {
  if (view.owner.set)
    return <p className="mt-3 max-w-[44ch] text-soft">This page belongs to one user of your own sign-in; the setup token opens it no more.</p>;
  if (!view.owner.canClaim) return <p className="mt-3 max-w-[44ch] text-soft">Who holds the setup token may use this page, until sign-in runs on your own keys and you are its owner.</p>;
  return (
    <div data-testid="claim" className="mt-4 max-w-[44ch] rounded-md bg-tint px-4 py-3">
      <p>You are signed in with your own sign-in. Make this user the owner of the page; the setup token is void then.</p>
      <button type="button" onClick={() => void makeMine()} className="mt-3 rounded-md bg-accent px-4 py-2 font-semibold text-on-accent hover:brightness-110">
        Make me the owner
      </button>
    </div>
  );
}

async function attempt(what: () => Promise<NonNullable<Sent["answer"]>>): Promise<Sent> {
  try {
    return { answer: await what() };
  } catch (error) {
    return { error: sentence(error) };
  }
}

function sentence(error: unknown): string {
  return error instanceof RequestFailed ? error.error.message : "Something went wrong.";
}
