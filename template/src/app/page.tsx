import { connection } from "next/server";
import type { Shop } from "@/components/catalogue";
import { NotesApp } from "@/components/notes-app";
import { toDatabaseError } from "@/lib/db-error";
import type { ApiError, NotePage } from "@/lib/note-types";
import { listNotes } from "@/lib/notes";
import { authKeys, databaseKeys, paymentsKeys, storageKeys } from "@/lib/services";
import { listProducts, listPurchases, purchaseOf } from "@/lib/shop";
import type { Return } from "@/lib/shop-types";
import { userId } from "@/lib/user";

type Query = { checkout?: string | string[]; session_id?: string | string[] };

export default async function Home({ searchParams }: { searchParams: Promise<Query> }) {
  await connection();
  const who = await userId();
  const [first, shop, back] = await Promise.all([firstPage(), readShop(who), readReturn(who, await searchParams)]);
  const keys = { database: databaseKeys(), auth: authKeys(), storage: storageKeys(), payments: paymentsKeys() };
  return <NotesApp keys={keys} first={first} shop={shop} back={back} />;
}

/** Whether somebody comes back from the page where one pays. What the address says is shown, and changes nothing. */
async function readReturn(who: string | null, { checkout, session_id }: Query): Promise<Return | null> {
  if (checkout === "cancelled") return { kind: "cancelled" };
  if (checkout !== "success" || typeof session_id !== "string" || session_id.length > 255) return null;
  return { kind: "success", purchase: who === null ? null : await purchaseOf(who, session_id).catch(() => null) };
}

async function firstPage(): Promise<NotePage | { error: ApiError }> {
  try {
    return await listNotes();
  } catch (error) {
    const { code, message } = toDatabaseError(error);
    return { error: { code, message } };
  }
}

/** null when the database is away; the board says why. */
async function readShop(who: string | null): Promise<Shop | null> {
  try {
    const [products, bought] = await Promise.all([listProducts(), who === null ? null : listPurchases(who)]);
    return { products, bought };
  } catch {
    return null;
  }
}
