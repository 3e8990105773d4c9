import { connection, type NextRequest } from "next/server";
import { answer, check, readJson } from "@/lib/http";
import { buy, listPurchases, newPurchase } from "@/lib/shop";
import { meetVisitor } from "@/lib/visitor";

export async function GET(request: NextRequest): Promise<Response> {
  await connection();
  return answer(request, async () => Response.json(await listPurchases(), { headers: { "cache-control": "no-store" } }));
}

export async function POST(request: NextRequest): Promise<Response> {
  return answer(request, async () => {
    const wanted = check(newPurchase, await readJson(request));
    const purchase = await buy(await meetVisitor(request), wanted);
    return Response.json(purchase, { status: 201 });
  });
}
