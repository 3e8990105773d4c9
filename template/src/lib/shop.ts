// The catalogue and what was bought: the queries. The page and the API both go through here.
import "server-only";
import { z } from "zod";
import type { PrismaClient, Product, Purchase } from "@/generated/prisma/client";
import { withDatabase } from "./db";
import { HttpError } from "./http";
import type { ProductView, PurchasePage, PurchaseStatus, PurchaseView } from "./shop-types";

const PRODUCTS_MAX = 100;
const PURCHASES_MAX = 20;
const PENDING_MAX = 50;
const STATUSES: readonly string[] = ["pending", "paid", "refunded", "cancelled"] satisfies PurchaseStatus[];

/** What is sold now, in the order of the catalogue. */
export async function listProducts(): Promise<ProductView[]> {
  return withDatabase(async (db) => {
    const rows = await db.product.findMany({ where: { active: true }, orderBy: [{ position: "asc" }, { id: "asc" }], take: PRODUCTS_MAX });
    return rows.map(productView);
  });
}

/** One buyer's, the newest first. */
export async function listPurchases(buyerId: string): Promise<PurchasePage> {
  return withDatabase(async (db) => {
    const where = { buyerId };
    const [rows, total] = await Promise.all([
      db.purchase.findMany({ where, include: { product: true }, orderBy: { id: "desc" }, take: PURCHASES_MAX }),
      db.purchase.count({ where }),
    ]);
    return { purchases: rows.map(purchaseView), total };
  });
}

const price = z.int({ error: "A price is a whole number of cents." }).min(0);
export const newPurchase = z.strictObject({
  product: z.string({ error: "Say which product." }).min(1, "Say which product.").max(100, "There is no such product."),
  priceCents: price,
  currency: z.string({ error: "Say in which currency." }).length(3, "A currency has three letters."),
});

export type WaitingPurchase = Purchase & { product: Product };

/** A purchase at the price that the buyer saw. It is pending until the payments service says that it was paid; one that waits for the
 * same product at the same price is gone on with. */
export async function beginPurchase(buyerId: string, wanted: z.infer<typeof newPurchase>): Promise<WaitingPurchase> {
  const begun = await withDatabase(async (db) => {
    const product = await db.product.findUnique({ where: { slug: wanted.product } });
    if (!product?.active) return new HttpError(404, "no_product", "This is not for sale any more.");
    if (product.priceCents !== wanted.priceCents || product.currency !== wanted.currency)
      return new HttpError(409, "other_price", "The price has changed meanwhile. Look at it again.");
    const terms = { productId: product.id, buyerId, amountCents: product.priceCents, currency: product.currency };
    return (await waiting(db, terms)) ?? pending(db, terms);
  });
  if (begun instanceof HttpError) throw begun; // an error inside would count as the database's
  return begun;
}

/** The payment that a purchase waits for. */
export async function setReference(id: number, reference: string): Promise<void> {
  await withDatabase((db) => db.purchase.updateMany({ where: { id, status: "pending" }, data: { reference } }));
}

/** What a buyer came back from; null when it is nobody's, or somebody else's. */
export async function purchaseOf(buyerId: string, reference: string): Promise<PurchaseView | null> {
  const found = await withDatabase((db) => db.purchase.findFirst({ where: { buyerId, reference }, include: { product: true } }));
  return found && purchaseView(found);
}

type Terms = { productId: number; buyerId: string; amountCents: number; currency: string };

async function waiting(db: PrismaClient, terms: Terms): Promise<WaitingPurchase | null> {
  return db.purchase.findFirst({ where: { ...terms, status: "pending" }, orderBy: { id: "desc" }, include: { product: true } });
}

async function pending(db: PrismaClient, terms: Terms): Promise<WaitingPurchase | HttpError> {
  if ((await db.purchase.count({ where: { buyerId: terms.buyerId, status: "pending" } })) >= PENDING_MAX)
    return new HttpError(409, "too_many_pending", "Too many of your purchases wait for their payment.");
  return db.purchase.create({ data: terms, include: { product: true } });
}

function productView({ id, slug, name, description, priceCents, currency }: Product): ProductView {
  return { id, slug, name, description, priceCents, currency };
}

function purchaseView(purchase: Purchase & { product: Product }): PurchaseView {
  return {
    id: purchase.id,
    product: purchase.product.name,
    amountCents: purchase.amountCents,
    currency: purchase.currency,
    status: STATUSES.includes(purchase.status) ? (purchase.status as PurchaseStatus) : "pending",
    createdAt: purchase.createdAt.toISOString(),
  };
}
