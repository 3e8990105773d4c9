import type { NextRequest } from "next/server";
import { answer } from "@/lib/http";
import { listPurchases } from "@/lib/shop";
import { requireUser } from "@/lib/user";

export async function GET(request: NextRequest): Promise<Response> {
  return answer(request, async () => Response.json(await listPurchases(await requireUser()), { headers: { "cache-control": "no-store" } }));
}
