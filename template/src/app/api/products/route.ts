import { connection, type NextRequest } from "next/server";
import { answer } from "@/lib/http";
import { listProducts } from "@/lib/shop";

export async function GET(request: NextRequest): Promise<Response> {
  await connection();
  return answer(request, async () => Response.json({ products: await listProducts() }, { headers: { "cache-control": "no-store" } }));
}
