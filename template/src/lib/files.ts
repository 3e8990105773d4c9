// The files of this app: rows in the database that say what is in the storage, whose it is, and who may have it.
import "server-only";
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { PrismaClient, Product, StoredFile } from "@/generated/prisma/client";
import { withDatabase } from "./db";
import { kindOf, safeName } from "./file-names";
import { ENDS, NAME_MAX, SMALL_MAX, tooLarge, UPLOAD_MAX, type Begun, type FilePage, type FileView } from "./file-types";
import { HttpError } from "./http";
import { downloadUrl, keyPrefix, objectSize, putObject, removeObject, uploadUrl } from "./storage";

const LIST_MAX = 100;
const FILES_MAX = 200; // of one owner
const UNFINISHED_AFTER_MS = 3600_000;
const TIDY_AT_ONCE = 10;

type WithProduct = StoredFile & { product: Product | null };

export const fileId = z.coerce.number().int().positive().max(Number.MAX_SAFE_INTEGER);
const name = z
  .string("A file needs a name.")
  .trim()
  .min(1, "A file needs a name.")
  .max(NAME_MAX, `A file's name has at most ${NAME_MAX} characters.`)
  .regex(/^[^/\\\p{Cc}\p{Cs}]+$/u, "A file's name has no slashes and no control characters.");
const product = z.string().min(1).max(100).nullable();
const size = z.int("A size is a whole number of bytes.").min(1, "This file is empty.");
const shared = z.boolean().default(false);
const oneAudience = { error: "A file is shared with everybody or comes with a product, not both." };
const exclusive = (file: { shared: boolean; product: string | null }) => !file.shared || file.product === null;
export const newFile = z.strictObject({ name, size, product, shared }).refine(exclusive, oneAudience);
export const newSmallFile = z.strictObject({ name, product, shared }).refine(exclusive, oneAudience);

/** One's own, and of others' what is shared or comes with a product; each the newest first. */
export async function listFiles(who: string): Promise<FilePage> {
  return withDatabase(async (db) => {
    const newest = { include: { product: true }, orderBy: { id: "desc" }, take: LIST_MAX } as const;
    const [mine, others, paid] = await Promise.all([
      db.storedFile.findMany({ where: { state: "ready", ownerId: who }, ...newest }),
      db.storedFile.findMany({ where: { state: "ready", ownerId: { not: who }, OR: [{ shared: true }, { productId: { not: null } }] }, ...newest }),
      db.purchase.findMany({ where: { buyerId: who, status: "paid" }, select: { productId: true }, distinct: ["productId"] }),
    ]);
    const bought = new Set(paid.map((purchase) => purchase.productId));
    const seen = (row: WithProduct) => view(row, who, row.productId !== null && bought.has(row.productId));
    return { mine: mine.map(seen), others: others.map(seen) };
  });
}

/** A row for a file that the browser is about to send to the storage by itself, and the address to send it to. */
export async function beginUpload(who: string, wanted: z.infer<typeof newFile>): Promise<Begun> {
  if (wanted.size > UPLOAD_MAX) throw new HttpError(413, "too_large", tooLarge(wanted.size, UPLOAD_MAX));
  await tidy();
  const row = await newRow(who, wanted, wanted.size);
  const url = await uploadUrl(row.key, row.contentType, row.size);
  return { id: row.id, upload: { url, headers: { "content-type": row.contentType } } };
}

/** Counts only when the storage has it, as large as it was announced. */
export async function finishUpload(who: string, id: number): Promise<FileView> {
  const row = await own(who, id);
  if ((await objectSize(row.key)) !== row.size)
    throw new HttpError(409, "not_uploaded", "The storage does not have this file yet. Upload it again.");
  return ready(row);
}

/** Through the app: `body` is at most SMALL_MAX bytes. */
export async function uploadSmall(who: string, wanted: z.infer<typeof newSmallFile>, body: Uint8Array): Promise<FileView> {
  if (body.byteLength > SMALL_MAX) throw new HttpError(413, "too_large", tooLarge(body.byteLength, SMALL_MAX));
  if (body.byteLength === 0) throw new HttpError(422, "invalid", "This file is empty.");
  const row = await newRow(who, wanted, body.byteLength);
  await putObject(row.key, row.contentType, body);
  return ready(row);
}

/** The gate: an address is made only for who may have the file. */
export async function downloadLink(who: string | null, id: number): Promise<string> {
  const found = await withDatabase(async (db) => {
    const row = await db.storedFile.findFirst({ where: { id, state: "ready" }, include: { product: true } });
    return row && { row, allowed: row.shared || row.ownerId === who || (row.productId !== null && (await hasPaid(db, who, row.productId))) };
  });
  if (!found?.allowed && who === null) throw new HttpError(401, "signed_out", "Sign in first, then try again.");
  if (!found || (!found.allowed && found.row.productId === null)) throw gone();
  const { row, allowed } = found;
  if (!allowed)
    throw new HttpError(403, "not_purchased", `This file comes with “${row.product?.name}”. Buy it in the catalogue; once it is paid, the file is yours.`);
  return downloadUrl(row.key, row.contentType, row.name);
}

/** The object first: a row without one can be deleted again, an object without a row would be lost. */
export async function deleteFile(who: string, id: number): Promise<void> {
  const row = await own(who, id);
  const { productId } = row;
  if (productId !== null && row.state === "ready") {
    const sold = await withDatabase((db) => db.purchase.count({ where: { productId, status: "paid", buyerId: { not: who } } }));
    if (sold > 0) throw new HttpError(409, "sold", "Somebody paid for this file, so it stays.");
  }
  await removeObject(row.key);
  await withDatabase((db) => db.storedFile.deleteMany({ where: { id } }));
}

async function newRow(who: string, wanted: z.infer<typeof newSmallFile>, bytes: number): Promise<StoredFile> {
  const kind = kindOf(wanted.name);
  if (!kind) throw new HttpError(415, "wrong_kind", `Files of this kind cannot be uploaded. These can: ${ENDS.join(", ")}.`);
  const made = await withDatabase(async (db) => {
    if ((await db.storedFile.count({ where: { ownerId: who } })) >= FILES_MAX) return new HttpError(409, "too_many", `You have ${FILES_MAX} files already. Delete one first.`);
    const sold = wanted.product === null ? null : await db.product.findUnique({ where: { slug: wanted.product } });
    if (wanted.product !== null && !sold?.active) return new HttpError(404, "no_product", "The product that this file should come with is not for sale any more.");
    const key = `${keyPrefix()}files/${randomUUID()}/${safeName(wanted.name)}`;
    return db.storedFile.create({ data: { key, name: wanted.name, contentType: kind.type, size: bytes, ownerId: who, shared: wanted.shared, productId: sold?.id ?? null } });
  });
  if (made instanceof HttpError) throw made; // an error inside would count as the database's
  return made;
}

async function ready({ id, ownerId }: StoredFile): Promise<FileView> {
  const row = await withDatabase((db) => db.storedFile.update({ where: { id }, data: { state: "ready" }, include: { product: true } }));
  return view(row, ownerId, false);
}

/** Of somebody else's file nothing can be learned here, not even that it exists. */
async function own(who: string, id: number): Promise<StoredFile> {
  const row = await withDatabase((db) => db.storedFile.findFirst({ where: { id, ownerId: who } }));
  if (!row) throw gone();
  return row;
}

async function hasPaid(db: PrismaClient, who: string | null, productId: number): Promise<boolean> {
  return who !== null && (await db.purchase.count({ where: { productId, buyerId: who, status: "paid" } })) > 0;
}

/** Uploads that never came to an end: a few of them go whenever a new one begins. */
async function tidy(): Promise<void> {
  const createdAt = { lt: new Date(Date.now() - UNFINISHED_AFTER_MS) };
  const rows = await withDatabase((db) => db.storedFile.findMany({ where: { state: "pending", createdAt }, take: TIDY_AT_ONCE }));
  for (const { id, key } of rows) {
    await removeObject(key);
    await withDatabase((db) => db.storedFile.deleteMany({ where: { id, state: "pending" } }));
  }
}

function gone(): HttpError {
  return new HttpError(404, "no_file", "This file is not here any more.");
}

function view({ id, name, size, createdAt, ownerId, shared, product }: WithProduct, who: string, paid: boolean): FileView {
  const mine = ownerId === who;
  return {
    id,
    name,
    size,
    createdAt: createdAt.toISOString(),
    mine,
    shared,
    open: mine || shared || paid,
    product: product && { slug: product.slug, name: product.name, priceCents: product.priceCents, currency: product.currency },
  };
}
