import type { NextRequest } from "next/server";
import { answer, check, readJson } from "@/lib/http";
import { listNotes, newNote, pageCursor, writeNote } from "@/lib/notes";

export async function GET(request: NextRequest): Promise<Response> {
  return answer(request, async () => {
    const after = check(pageCursor, request.nextUrl.searchParams.get("after"));
    return Response.json(await listNotes(after), { headers: { "cache-control": "no-store" } });
  });
}

export async function POST(request: NextRequest): Promise<Response> {
  return answer(request, async () => {
    const note = await writeNote(check(newNote, await readJson(request)));
    return Response.json(note, { status: 201, headers: { location: `/api/notes/${note.id}` } });
  });
}
