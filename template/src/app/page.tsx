import { connection } from "next/server";
import type { Shop } from "@/components/catalogue";
import { NotesApp } from "@/components/notes-app";
import { toDatabaseError } from "@/lib/db-error";
import type { ApiError, NotePage } from "@/lib/note-types";
import { listNotes } from "@/lib/notes";
import { authKeys, databaseKeys, storageKeys } from "@/lib/services";
import { listProducts, listPurchases } from "@/lib/shop";
import { userId } from "@/lib/user";

export default async function Home() {
  await connection();
  const who = await userId();
  const [first, shop] = await Promise.all([firstPage(), readShop(who)]);
  const keys = { database: databaseKeys(), auth: authKeys(), storage: storageKeys() };
  return <NotesApp keys={keys} first={first} shop={shop} />;
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
