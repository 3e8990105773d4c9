import type { Metadata } from "next";
import { connection } from "next/server";
import { AuthNotSet } from "@/components/auth-frame";
import { FilesApp } from "@/components/files-app";
import { toDatabaseError } from "@/lib/db-error";
import type { FilePage } from "@/lib/file-types";
import { listFiles } from "@/lib/files";
import type { ApiError } from "@/lib/note-types";
import { storageKeys } from "@/lib/services";
import { listProducts } from "@/lib/shop";
import type { ProductView } from "@/lib/shop-types";
import { pageUser } from "@/lib/user";

export const metadata: Metadata = { title: "Files" };

export default async function Files() {
  await connection();
  const who = await pageUser();
  if (who.problem) return <AuthNotSet problem={who.problem} title="Files need sign-in" />;
  const [first, products] = await Promise.all([firstPage(who.id), forSale()]);
  return <FilesApp key={who.id} keys={storageKeys()} first={first} products={products} />;
}

async function firstPage(who: string): Promise<FilePage | { error: ApiError }> {
  try {
    return await listFiles(who);
  } catch (error) {
    const { code, message } = toDatabaseError(error);
    return { error: { code, message } };
  }
}

async function forSale(): Promise<ProductView[]> {
  try {
    return await listProducts();
  } catch {
    return []; // the list of files says why
  }
}
