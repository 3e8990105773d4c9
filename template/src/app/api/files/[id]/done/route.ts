import type { NextRequest } from "next/server";
import { fileId, finishUpload } from "@/lib/files";
import { answer, check } from "@/lib/http";
import { requireUser } from "@/lib/user";

type Context = { params: Promise<{ id: string }> };

/** The browser has sent the file to the storage. */
export async function POST(request: NextRequest, { params }: Context): Promise<Response> {
  return answer(request, async () => Response.json(await finishUpload(await requireUser(), check(fileId, (await params).id))));
}
