// The notes of this app: what a valid one is, and the queries. The page and the API both go through here.
import "server-only";
import { z } from "zod";
import type { Note } from "@/generated/prisma/client";
import { withDatabase } from "./db";
import { NOTE_MAX, PAGE_SIZE, type NotePage, type NoteView } from "./note-types";

const body = z
  .string("Write something first.")
  .trim()
  .min(1, "Write something first.")
  .max(NOTE_MAX, `A note holds at most ${NOTE_MAX} characters.`);

export const newNote = z.strictObject({ body });
export const noteChange = z
  .strictObject({ body: body.optional(), pinned: z.boolean().optional() })
  .refine((change) => change.body !== undefined || change.pinned !== undefined, "Send a body, pinned, or both.");
export const noteId = z.coerce.number().int().positive().max(Number.MAX_SAFE_INTEGER);

/** Where the next page begins: `p12` after pinned note 12, `n12` after any other note 12. */
const cursorShape = z.string().regex(/^[pn]\d{1,15}$/, "This page of notes does not exist.");
export const pageCursor = z.union([cursorShape, z.null()]);

/** Pinned notes first, newest first among them; then the others, newest first. */
export async function listNotes(after: string | null = null): Promise<NotePage> {
  return withDatabase(async (db) => {
    const [rows, total] = await Promise.all([
      db.note.findMany({
        where: after === null ? {} : whereAfter(after),
        orderBy: [{ pinned: "desc" }, { id: "desc" }],
        take: PAGE_SIZE + 1,
      }),
      db.note.count(),
    ]);
    const page = rows.slice(0, PAGE_SIZE);
    const last = page.at(-1);
    return { notes: page.map(view), next: rows.length > PAGE_SIZE && last ? cursorOf(last) : null, total };
  });
}

export async function writeNote(data: z.infer<typeof newNote>): Promise<NoteView> {
  return withDatabase(async (db) => view(await db.note.create({ data })));
}

/** null: there is no such note. */
export async function changeNote(id: number, data: z.infer<typeof noteChange>): Promise<NoteView | null> {
  return withDatabase(async (db) => {
    const edited = data.body === undefined ? {} : { editedAt: new Date() };
    const [note] = await db.note.updateManyAndReturn({ where: { id }, data: { ...data, ...edited } });
    return note ? view(note) : null;
  });
}

/** false: there was no such note. */
export async function deleteNote(id: number): Promise<boolean> {
  return withDatabase(async (db) => (await db.note.deleteMany({ where: { id } })).count > 0);
}

export async function countNotes(): Promise<number> {
  return withDatabase((db) => db.note.count());
}

function whereAfter(cursor: string) {
  const id = Number(cursor.slice(1));
  const others = { pinned: false, id: { lt: id } };
  return cursor.startsWith("n") ? others : { OR: [{ pinned: true, id: { lt: id } }, { pinned: false }] };
}

function cursorOf(note: Note): string {
  return `${note.pinned ? "p" : "n"}${note.id}`;
}

function view(note: Note): NoteView {
  return {
    id: note.id,
    body: note.body,
    pinned: note.pinned,
    createdAt: note.createdAt.toISOString(),
    editedAt: note.editedAt?.toISOString() ?? null,
  };
}
