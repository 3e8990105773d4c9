import type { NextRequest } from "next/server";
import { deleteFile, fileId } from "@/lib/files";
import { answer, check } from "@/lib/http";
import { requireUser } from "@/lib/user";

type Context = { params: Promise<{ id: string }> };

export async function DELETE(request: NextRequest, { params }: Context): Promise<Response> {
  return answer(request, async () => {
    await deleteFile(await requireUser(), check(fileId, (await params).id));
    return new Response(null, { status: 204 });
  });
}
