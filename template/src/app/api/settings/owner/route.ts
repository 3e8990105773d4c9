import { claimOwner } from "@/lib/settings";
import { json, withSession } from "@/lib/settings-http";

export async function POST(request: Request): Promise<Response> {
  return withSession(request, {}, async () => {
    await claimOwner();
    return json({});
  });
}
