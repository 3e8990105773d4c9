import type { NextRequest } from "next/server";
import { beginUpload, listFiles, newFile } from "@/lib/files";
import { answer, check, readJson } from "@/lib/http";
import { requireUser } from "@/lib/user";

export async function GET(request: NextRequest): Promise<Response> {
  return answer(request, async () => Response.json(await listFiles(await requireUser()), { headers: { "cache-control": "no-store" } }));
}

/** Where to send a file: {id, upload: {url, headers}}. It is listed once `/api/files/<id>/done` has seen it. */
export async function POST(request: NextRequest): Promise<Response> {
  return answer(request, async () => {
    const owner = await requireUser();
    const wanted = check(newFile, await readJson(request));
    return Response.json(await beginUpload(owner, wanted), { status: 201, headers: { "cache-control": "no-store" } });
  });
}
