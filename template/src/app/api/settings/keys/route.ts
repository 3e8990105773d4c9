import { json, originHere, readBody, withSession } from "@/lib/settings-http";
import { isRefused, openView, saveAsk, saveKeys } from "@/lib/settings";

// Each asks a vendor some ten times.
const VALIDATIONS = { name: "validate keys", most: 30, perMs: 60_000 };

export async function GET(request: Request): Promise<Response> {
  return withSession(request, {}, async (session) => json(await openView(session)));
}

export async function POST(request: Request): Promise<Response> {
  return withSession(request, { rate: VALIDATIONS }, async () => {
    const asked = await readBody(request, saveAsk);
    const answer = await saveKeys(asked, originHere(request));
    return json(answer, isRefused(answer, asked) ? 422 : 200);
  });
}
