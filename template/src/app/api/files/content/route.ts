import type { NextRequest } from "next/server";
import { newSmallFile, uploadSmall } from "@/lib/files";
import { SMALL_MAX, tooLarge } from "@/lib/file-types";
import { answer, check, HttpError, readBytes } from "@/lib/http";
import { requireUser } from "@/lib/user";

/** A small file through the app: its bytes are the body; `?name=` and perhaps `&product=` or `&shared=true` say what it is. */
export async function POST(request: NextRequest): Promise<Response> {
  return answer(request, async () => {
    const owner = await requireUser();
    const { searchParams } = request.nextUrl;
    const wanted = check(newSmallFile, { name: searchParams.get("name") ?? "", product: searchParams.get("product"), shared: searchParams.get("shared") === "true" });
    const announced = Number(request.headers.get("content-length") ?? 0);
    if (announced > SMALL_MAX) throw new HttpError(413, "too_large", tooLarge(announced, SMALL_MAX));
    const body = await readBytes(request, SMALL_MAX);
    return Response.json(await uploadSmall(owner, wanted, body), { status: 201 });
  });
}
