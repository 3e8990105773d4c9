import { z } from "zod";
import { isHttps, json, readBody, withoutSession, withSession } from "@/lib/settings-http";
import { beginSession, endSession } from "@/lib/settings-session";

const ask = z.strictObject({ token: z.string().max(512).optional() });
const TRIES = { name: "unlock", most: 30, perMs: 60_000 };

export async function PUT(request: Request): Promise<Response> {
  return withoutSession(request, { rate: TRIES }, async () => {
    const { token } = await readBody(request, ask);
    return json({ csrf: (await beginSession(token, isHttps(request))).csrf });
  });
}

export async function DELETE(request: Request): Promise<Response> {
  return withSession(request, {}, async (session) => {
    await endSession(session);
    return json({});
  });
}
