import { ownVariables } from "@/lib/settings-export";
import { hostAsk, pushToHost } from "@/lib/settings-host";
import { json, readBody, withSession } from "@/lib/settings-http";

const PUSHES = { name: "push to a host", most: 10, perMs: 60_000 };

export async function POST(request: Request): Promise<Response> {
  return withSession(request, { rate: PUSHES }, async () => json(await pushToHost(await readBody(request, hostAsk), ownVariables())));
}
