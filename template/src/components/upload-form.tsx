"use client";

import { useId, useRef, useState, type FormEvent } from "react";
import { bytes, ENDS, SMALL_MAX, tooLarge, UPLOAD_MAX, type Audience } from "@/lib/file-types";
import type { Progress } from "@/lib/files-client";
import type { ApiError } from "@/lib/note-types";
import { money, type ProductView } from "@/lib/shop-types";

export type Way = "straight" | "app";
type Upload = (file: File, way: Way, audience: Audience, progress: Progress) => Promise<ApiError | null>;

const WAYS: { way: Way; label: string; most: number }[] = [
  { way: "straight", label: "Straight to the storage", most: UPLOAD_MAX },
  { way: "app", label: "Through the app", most: SMALL_MAX },
];
const ONLY_ME = "me";
const EVERYBODY = "everybody";
const WITH = "with ";
const field = "rounded-md border border-line bg-paper px-3 py-2";

export function UploadForm({ products, upload }: { products: ProductView[]; upload: Upload }) {
  const [way, setWay] = useState<Way>("straight");
  const [problem, setProblem] = useState<string | null>(null);
  const [sending, setSending] = useState<{ name: string; sent: number; size: number } | null>(null);
  const chosen = useRef<HTMLInputElement>(null);
  const id = useId();

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (sending) return;
    const form = event.currentTarget;
    const file = chosen.current?.files?.[0];
    const most = WAYS.find((one) => one.way === way)?.most ?? 0;
    if (!file) return setProblem("Choose a file first.");
    if (file.size > most) return setProblem(tooLarge(file.size, most));
    const audience = audienceOf(String(new FormData(form).get("audience") ?? ONLY_ME));
    setProblem(null);
    const show = (sent: number) => setSending({ name: file.name, sent: Math.min(sent, file.size), size: file.size });
    show(0);
    const failure = await upload(file, way, audience, show);
    setSending(null);
    if (failure) return setProblem(`Not uploaded. ${failure.message}`);
    if (chosen.current) chosen.current.value = "";
  };

  return (
    <form onSubmit={submit} noValidate className="flex flex-col gap-4">
      <label htmlFor={`${id}-file`} className="text-xl font-semibold tracking-tight">
        New file
      </label>
      <input
        ref={chosen}
        id={`${id}-file`}
        data-testid="file"
        type="file"
        accept={ENDS.map((end) => `.${end}`).join(",")}
        onChange={() => setProblem(null)}
        aria-invalid={problem !== null}
        aria-describedby={problem ? `${id}-problem` : undefined}
        className={`${field} w-full file:mr-4 file:rounded file:border-0 file:bg-tint file:px-3 file:py-1 file:font-medium file:text-accent aria-invalid:border-alarm`}
      />
      <fieldset className="flex flex-wrap gap-x-6 gap-y-2">
        <legend className="sr-only">Way</legend>
        {WAYS.map((one) => (
          <label key={one.way} className="flex items-center gap-2">
            <input type="radio" name="way" value={one.way} checked={way === one.way} onChange={() => setWay(one.way)} className="accent-[var(--c-accent)]" />
            {one.label}
            <span className="font-mono text-sm text-soft">up to {bytes(one.most)}</span>
          </label>
        ))}
      </fieldset>
      <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-3">
        <label className="flex max-w-full flex-wrap items-center gap-2">
          For
          <select name="audience" defaultValue={ONLY_ME} className={`${field} max-w-full`}>
            <option value={ONLY_ME}>only me</option>
            <option value={EVERYBODY}>everybody, free</option>
            {products.map(({ slug, name, priceCents, currency }) => (
              <option key={slug} value={`${WITH}${slug}`}>
                who paid for {name} ({money(priceCents, currency)})
              </option>
            ))}
          </select>
        </label>
        <button
          type="submit"
          aria-disabled={sending !== null}
          className="rounded-md bg-accent px-5 py-2.5 font-semibold text-on-accent hover:brightness-110 active:translate-y-px aria-disabled:opacity-60 max-sm:w-full"
        >
          Upload
        </button>
      </div>
      {sending && (
        <p className="flex items-center gap-4">
          <progress aria-label={`Uploading ${sending.name}`} value={sending.sent} max={sending.size} className="h-2 flex-1 accent-[var(--c-accent)]" />
          <span className="font-mono text-sm text-soft tabular-nums">{Math.floor((100 * sending.sent) / sending.size)} %</span>
        </p>
      )}
      {problem && (
        <p id={`${id}-problem`} role="alert" className="rounded-md bg-alarm-tint px-4 py-2.5 text-alarm">
          {problem}
        </p>
      )}
    </form>
  );
}

function audienceOf(chosen: string): Audience {
  return { shared: chosen === EVERYBODY, product: chosen.startsWith(WITH) ? chosen.slice(WITH.length) : null };
}
