import type { NextRequest } from "next/server";
import { answer, check, readJson } from "@/lib/http";
import { buy, listPurchases, newPurchase } from "@/lib/shop";
import { requireUser } from "@/lib/user";

export async function GET(request: NextRequest): Promise<Response> {
  return answer(request, async () => Response.json(await listPurchases(await requireUser()), { headers: { "cache-control": "no-store" } }));
}

export async function POST(request: NextRequest): Promise<Response> {
  return answer(request, async () => {
    const buyer = await requireUser();
    const purchase = await buy(buyer, check(newPurchase, await readJson(request)));
    return Response.json(purchase, { status: 201 });
  });
}
