"use client";

import { useId, useState, type FormEvent, type Ref } from "react";
import { NOTE_MAX, type ApiError } from "@/lib/note-types";
import { submitOnCtrlEnter } from "./keys";

type Props = { ref: Ref<HTMLTextAreaElement>; write: (body: string) => Promise<ApiError | null> };

export function Composer({ ref, write }: Props) {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const id = useId();

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (busy) return;
    const field = event.currentTarget.elements.namedItem("body") as HTMLTextAreaElement;
    if (text.trim() === "") {
      setProblem("Write something first.");
      field.focus();
      return;
    }
    setBusy(true);
    const failure = await write(text);
    setBusy(false);
    setProblem(failure && `Not saved; your text is still here. ${failure.message}`);
    if (!failure) setText("");
    field.focus();
  };

  return (
    <form onSubmit={submit} noValidate>
      <label htmlFor={`${id}-body`} className="text-xl font-semibold tracking-tight">
        New note
      </label>
      <textarea
        ref={ref}
        id={`${id}-body`}
        name="body"
        rows={3}
        maxLength={NOTE_MAX}
        value={text}
        placeholder="Something worth keeping"
        onChange={(event) => {
          setText(event.target.value);
          setProblem(null);
        }}
        onKeyDown={submitOnCtrlEnter}
        aria-invalid={problem !== null}
        aria-describedby={`${id}-count ${problem ? `${id}-problem` : ""}`}
        className="mt-3 block w-full resize-y rounded-lg border border-line bg-paper px-4 py-3 text-lg leading-relaxed placeholder:text-soft focus-visible:border-accent focus-visible:outline-offset-0 aria-invalid:border-alarm"
      />
      <div className="mt-3 flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
        <p id={`${id}-count`} className="font-mono text-sm text-soft tabular-nums">
          {NOTE_MAX - text.length} left<span className="hidden sm:inline"> · Ctrl + Enter</span>
        </p>
        <button
          type="submit"
          aria-disabled={busy}
          className="rounded-md bg-accent px-5 py-2.5 font-semibold text-on-accent hover:brightness-110 active:translate-y-px aria-disabled:opacity-60 max-sm:w-full"
        >
          Write a note
        </button>
      </div>
      {problem && (
        <p id={`${id}-problem`} role="alert" className="mt-3 rounded-md bg-alarm-tint px-4 py-2.5 text-alarm">
          {problem}
        </p>
      )}
    </form>
  );
}
