import type { NextRequest } from "next/server";
import { hear } from "@/lib/checkout";
import { answer, HttpError, readBytes } from "@/lib/http";
import { eventOf } from "@/lib/stripe";

const EVENT_MAX = 1024 * 1024;

/** Called by the payments service, not by a browser: the signature says that it is, and nobody is signed in. A failure is answered
 * as one, so that the service sends the event again. */
export async function POST(request: NextRequest): Promise<Response> {
  return answer(request, async () => {
    const signature = request.headers.get("stripe-signature");
    if (!signature) throw new HttpError(400, "not_signed", "This has no signature.");
    const event = await eventOf(await readBytes(request, EVENT_MAX), signature);
    if (!event) throw new HttpError(400, "not_signed", "This signature is not right, or too old.");
    await hear(event);
    return Response.json({ received: true });
  });
}
