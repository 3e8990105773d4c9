// The catalogue and what was bought: the queries. The page and the API both go through here.
import "server-only";
import type { Product, Purchase } from "@/generated/prisma/client";
import { withDatabase } from "./db";
import type { ProductView, PurchasePage, PurchaseStatus, PurchaseView } from "./shop-types";

const PRODUCTS_MAX = 100;
const PURCHASES_MAX = 20;
const STATUSES: readonly string[] = ["pending", "paid", "refunded", "cancelled"] satisfies PurchaseStatus[];

/** What is sold now, in the order of the catalogue. */
export async function listProducts(): Promise<ProductView[]> {
  return withDatabase(async (db) => {
    const rows = await db.product.findMany({ where: { active: true }, orderBy: [{ position: "asc" }, { id: "asc" }], take: PRODUCTS_MAX });
    return rows.map(productView);
  });
}

/** The newest first. */
export async function listPurchases(): Promise<PurchasePage> {
  return withDatabase(async (db) => {
    const [rows, total] = await Promise.all([
      db.purchase.findMany({ include: { product: true }, orderBy: { id: "desc" }, take: PURCHASES_MAX }),
      db.purchase.count(),
    ]);
    return { purchases: rows.map(purchaseView), total };
  });
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
