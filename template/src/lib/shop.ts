// The catalogue and what was bought: the queries. The page and the API both go through here.
import "server-only";
import { z } from "zod";
import type { Product, Purchase } from "@/generated/prisma/client";
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

/** One purchase, at the price that the buyer saw. It is pending until whoever takes the money says that it was paid. */
export async function buy(buyerId: string, wanted: z.infer<typeof newPurchase>): Promise<PurchaseView> {
  const bought = await withDatabase(async (db) => {
    const product = await db.product.findUnique({ where: { slug: wanted.product } });
    if (!product?.active) return new HttpError(404, "no_product", "This is not for sale any more.");
    if (product.priceCents !== wanted.priceCents || product.currency !== wanted.currency)
      return new HttpError(409, "other_price", "The price has changed meanwhile. Look at it again.");
    if ((await db.purchase.count({ where: { buyerId, status: "pending" } })) >= PENDING_MAX)
      return new HttpError(409, "too_many_pending", "Too many of your purchases wait for their payment.");
    const purchase = await db.purchase.create({
      data: { productId: product.id, buyerId, amountCents: product.priceCents, currency: product.currency },
      include: { product: true },
    });
    return purchaseView(purchase);
  });
  if (bought instanceof HttpError) throw bought; // an error inside would count as the database's
  return bought;
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
