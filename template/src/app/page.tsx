import { connection } from "next/server";
import { NotesApp } from "@/components/notes-app";
import { toDatabaseError } from "@/lib/db-error";
import type { ApiError, NotePage } from "@/lib/note-types";
import { listNotes } from "@/lib/notes";
import { databaseKeys } from "@/lib/services";

export default async function Home() {
  await connection();
  return <NotesApp keys={databaseKeys()} first={await firstPage()} />;
}

async function firstPage(): Promise<NotePage | { error: ApiError }> {
  try {
    return await listNotes();
  } catch (error) {
    const { code, message } = toDatabaseError(error);
    return { error: { code, message } };
  }
}
