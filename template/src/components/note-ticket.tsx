"use client";

import { useEffect, useRef, useState, type FormEvent } from "react";
import { NOTE_MAX, type ApiError, type NoteView } from "@/lib/note-types";
import { submitOnCtrlEnter } from "./keys";
import { LocalTime } from "./local-time";

type Mode = "read" | "edit" | "confirm";

type Props = {
  note: NoteView;
  isNew: boolean;
  change: (id: number, fields: { body?: string; pinned?: boolean }) => Promise<ApiError | null>;
  remove: (id: number) => Promise<ApiError | null>;
  afterRemove: () => void;
};

export function NoteTicket({ note, isNew, change, remove, afterRemove }: Props) {
  const [mode, setMode] = useState<Mode>("read");
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const editButton = useRef<HTMLButtonElement>(null);
  const deleteButton = useRef<HTMLButtonElement>(null);
  const back = useRef<"edit" | "delete" | null>(null);

  // Leaving a mode puts the focus back on the button that began it.
  useEffect(() => {
    if (mode !== "read" || back.current === null) return;
    (back.current === "edit" ? editButton : deleteButton).current?.focus();
    back.current = null;
  }, [mode]);

  const leave = (from: "edit" | "delete") => {
    back.current = from;
    setProblem(null);
    setMode("read");
  };

  const run = async (action: () => Promise<ApiError | null>): Promise<boolean> => {
    if (busy) return false;
    setBusy(true);
    const failure = await action();
    setBusy(false);
    setProblem(failure?.message ?? null);
    return failure === null;
  };

  const save = async (body: string) => {
    if (body.trim() === note.body) return leave("edit");
    if (await run(() => change(note.id, { body }))) leave("edit");
  };
  const confirmDelete = async () => {
    if (await run(() => remove(note.id))) afterRemove();
  };

  return (
    <li data-note={note.id} className={`ticket-shadow ${isNew ? "ticket-new" : ""}`}>
      <article aria-label={`Note ${note.id}`} className="ticket grid grid-cols-[var(--stub)_minmax(0,1fr)]">
        <div className="ticket-stub flex flex-col justify-between gap-3 py-2 pl-4 text-accent sm:pl-5">
          <span className="font-mono text-2xl leading-none font-medium tracking-tight tabular-nums max-sm:text-lg">{note.id}</span>
          {note.pinned && <PinMark />}
        </div>
        <div className="min-w-0 px-4 py-4 sm:px-6">
          {mode === "edit" ? (
            <Editor note={note} busy={busy} save={save} cancel={() => leave("edit")} />
          ) : (
            <p className="text-lg leading-relaxed break-words whitespace-pre-wrap">{note.body}</p>
          )}
          {mode !== "edit" && (
            <div className="mt-3 flex flex-wrap items-center justify-between gap-x-4 gap-y-1">
              <LocalTime iso={note.createdAt} edited={note.editedAt !== null} />
              {mode === "read" ? (
                <div className="-mx-2 flex">
                  <Action
                    onClick={() => void run(() => change(note.id, { pinned: !note.pinned }))}
                    label={`${note.pinned ? "Unpin" : "Pin"} note ${note.id}`}
                  >
                    {note.pinned ? "Unpin" : "Pin"}
                  </Action>
                  <Action ref={editButton} onClick={() => setMode("edit")} label={`Edit note ${note.id}`}>
                    Edit
                  </Action>
                  <Action ref={deleteButton} onClick={() => setMode("confirm")} label={`Delete note ${note.id}`}>
                    Delete
                  </Action>
                </div>
              ) : (
                <Confirm id={note.id} busy={busy} yes={() => void confirmDelete()} no={() => leave("delete")} />
              )}
            </div>
          )}
          {problem && (
            <p role="alert" className="mt-3 rounded-md bg-alarm-tint px-3 py-2 text-alarm">
              {problem}
            </p>
          )}
        </div>
      </article>
    </li>
  );
}

function PinMark() {
  return (
    <svg viewBox="0 0 16 20" role="img" aria-label="Pinned" className="h-5 w-4 fill-current">
      <path d="M1.5 0h13a1 1 0 0 1 1 1v18.2a.6.6 0 0 1-1 .4L8 14.2l-6.5 5.4a.6.6 0 0 1-1-.4V1a1 1 0 0 1 1-1Z" />
    </svg>
  );
}

type EditorProps = { note: NoteView; busy: boolean; save: (body: string) => Promise<void>; cancel: () => void };

function Editor({ note, busy, save, cancel }: EditorProps) {
  const [text, setText] = useState(note.body);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    field.current?.focus();
    field.current?.setSelectionRange(note.body.length, note.body.length);
  }, [note.body.length]);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    void save(text);
  };

  return (
    <form onSubmit={submit} noValidate>
      <textarea
        ref={field}
        rows={3}
        maxLength={NOTE_MAX}
        value={text}
        aria-label={`Text of note ${note.id}`}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") cancel();
          submitOnCtrlEnter(event);
        }}
        className="block w-full resize-y rounded-md border border-line bg-page px-3 py-2 text-lg leading-relaxed focus-visible:border-accent focus-visible:outline-offset-0"
      />
      <div className="mt-3 flex gap-2">
        <button type="submit" aria-disabled={busy} className="rounded-md bg-accent px-4 py-1.5 font-semibold text-on-accent hover:brightness-110 aria-disabled:opacity-60">
          Save
        </button>
        <button type="button" onClick={cancel} className="rounded-md px-3 py-1.5 font-medium text-soft hover:text-ink">
          Cancel
        </button>
      </div>
    </form>
  );
}

function Confirm({ id, busy, yes, no }: { id: number; busy: boolean; yes: () => void; no: () => void }) {
  const keep = useRef<HTMLButtonElement>(null);
  useEffect(() => keep.current?.focus(), []);
  return (
    <div
      role="group"
      aria-label={`Delete note ${id}?`}
      className="flex items-center gap-1 sm:-mr-2"
      onKeyDown={(event) => {
        if (event.key === "Escape") no();
      }}
    >
      <span className="mr-1 text-alarm">Delete it?</span>
      <button type="button" aria-disabled={busy} onClick={yes} className="rounded-md bg-alarm-tint px-2.5 py-1 font-semibold text-alarm hover:brightness-95">
        Yes, delete
      </button>
      <button ref={keep} type="button" onClick={no} className="rounded-md px-2.5 py-1 font-medium text-soft hover:text-ink">
        Keep
      </button>
    </div>
  );
}

type ActionProps = {
  ref?: React.Ref<HTMLButtonElement>;
  label: string;
  onClick: () => void;
  children: string;
};

function Action({ ref, label, onClick, children }: ActionProps) {
  return (
    <button
      ref={ref}
      type="button"
      aria-label={label}
      onClick={onClick}
      className="rounded-md px-2 py-1 text-[0.95rem] font-medium text-soft hover:text-accent"
    >
      {children}
    </button>
  );
}
