import type { NextRequest } from "next/server";
import { answer, check, HttpError, readJson } from "@/lib/http";
import { changeNote, deleteNote, noteChange, noteId } from "@/lib/notes";

type Context = { params: Promise<{ id: string }> };

const gone = (id: number) => new HttpError(404, "no_note", `Note #${id} is not here any more.`);

export async function PATCH(request: NextRequest, { params }: Context): Promise<Response> {
  return answer(request, async () => {
    const id = check(noteId, (await params).id);
    const note = await changeNote(id, check(noteChange, await readJson(request)));
    if (!note) throw gone(id);
    return Response.json(note);
  });
}

export async function DELETE(request: NextRequest, { params }: Context): Promise<Response> {
  return answer(request, async () => {
    const id = check(noteId, (await params).id);
    if (!(await deleteNote(id))) throw gone(id);
    return new Response(null, { status: 204 });
  });
}
