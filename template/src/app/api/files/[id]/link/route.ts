import type { NextRequest } from "next/server";
import { downloadLink, fileId } from "@/lib/files";
import { answer, check } from "@/lib/http";
import { userId } from "@/lib/user";

type Context = { params: Promise<{ id: string }> };

/** {url}: an address of the storage that gives this file for a minute, or 403 `not_purchased`. A file that is shared needs no sign-in. */
export async function POST(request: NextRequest, { params }: Context): Promise<Response> {
  return answer(request, async () => {
    const url = await downloadLink(await userId(), check(fileId, (await params).id));
    return Response.json({ url }, { headers: { "cache-control": "no-store" } });
  });
}
