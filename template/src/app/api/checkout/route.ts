import type { NextRequest } from "next/server";
import { beginCheckout, newCheckout } from "@/lib/checkout";
import { answer, check, originOf, readJson } from "@/lib/http";
import { requireUser } from "@/lib/user";

/** `{purchase, url}`: the browser goes to `url`, pays there and comes back. */
export async function POST(request: NextRequest): Promise<Response> {
  return answer(request, async () => {
    const buyer = await requireUser();
    const begun = await beginCheckout(buyer, originOf(request), check(newCheckout, await readJson(request)));
    return Response.json(begun, { status: 201, headers: { "cache-control": "no-store" } });
  });
}
