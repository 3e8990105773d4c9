"use client";

import { useRouter } from "next/navigation";
import { useRef } from "react";
import type { KeyState } from "@/lib/services";
import type { Return } from "@/lib/shop-types";
import { ActivityLog } from "./activity-log";
import { Catalogue, type Shop } from "./catalogue";
import { CheckoutReturn } from "./checkout-return";
import { Composer } from "./composer";
import { ServiceTag } from "./service-tag";
import { EmptyState, ProblemState } from "./states";
import { NoteTicket } from "./note-ticket";
import { useHealth, useNotes, type FirstPage } from "./use-notes";

type Keys = { database: KeyState; auth: KeyState; storage: KeyState; payments: KeyState };
type Props = { keys: Keys; first: FirstPage; shop: Shop | null; back: Return | null };

export function NotesApp({ keys, first, shop, back }: Props) {
  const router = useRouter();
  const notes = useNotes(first);
  const { page, problem } = notes;
  const health = useHealth(notes.log[0]?.key);
  const composer = useRef<HTMLTextAreaElement>(null);
  const focusComposer = () => composer.current?.focus();
  const retry = async () => {
    await notes.reload();
    router.refresh(); // what the server reads for the rest of the page
  };

  return (
    <div className="mx-auto grid max-w-6xl gap-x-16 gap-y-10 px-5 py-10 sm:px-8 lg:min-h-dvh lg:grid-cols-[minmax(0,5fr)_minmax(0,7fr)] lg:grid-rows-[auto_auto_1fr] lg:py-20">
      <div>
        <CheckoutReturn back={back} />
        <h1 className="text-[clamp(2.6rem,6.2vw,4.5rem)] leading-[0.95] font-semibold tracking-[-0.045em] text-balance">
          Your app is running
        </h1>
        <p className="mt-6 max-w-[44ch] text-lg leading-relaxed text-pretty text-soft">
          It has sign-in, a database, a storage and payments of its own. This board keeps its notes there, and a small
          shop sells from its catalogue. Replace both with your app; the rest stays.
        </p>
        <div className="mt-8 flex flex-col gap-2.5">
          <ServiceTag service="database" name="Database" keys={keys.database} health={health?.database ?? null} />
          <ServiceTag service="auth" name="Sign-in" keys={keys.auth} health={health?.auth ?? null} />
          <ServiceTag service="storage" name="Storage" keys={keys.storage} health={health?.storage ?? null} />
          <ServiceTag service="payments" name="Payments" keys={keys.payments} health={health?.payments ?? null} />
        </div>
      </div>

      <main className="min-w-0 lg:col-start-2 lg:row-span-3 lg:row-start-1">
        <Composer ref={composer} write={notes.write} />
        <section aria-labelledby="notes-title" className="mt-10">
          <div className="mb-4 flex items-baseline justify-between gap-4">
            <h2 id="notes-title" className="text-xl font-semibold tracking-tight">
              Notes
            </h2>
            {!problem && page.total > 0 && (
              <span data-testid="total" className="font-mono text-sm text-soft tabular-nums">
                {page.total} in all
              </span>
            )}
          </div>
          {problem && <ProblemState problem={problem} retry={retry} />}
          {!problem && page.notes.length === 0 && <EmptyState begin={focusComposer} />}
          {!problem && page.notes.length > 0 && (
            <ol className="flex flex-col gap-3">
              {page.notes.map((note) => (
                <NoteTicket
                  key={note.id}
                  note={note}
                  isNew={note.id === notes.newest}
                  change={notes.change}
                  remove={notes.remove}
                  afterRemove={focusComposer}
                />
              ))}
            </ol>
          )}
          {!problem && page.next !== null && (
            <button
              type="button"
              onClick={() => void notes.more()}
              className="mt-5 rounded-md border border-line px-4 py-2 font-medium hover:border-accent hover:text-accent"
            >
              Show older notes
            </button>
          )}
        </section>
      </main>
      <Catalogue shop={shop} payments={keys.payments} say={notes.say} />
      <ActivityLog lines={notes.log} />
    </div>
  );
}
