// The browser's side of /api/purchases.
import { request } from "./notes-client";
import type { ProductView, PurchaseView } from "./shop-types";

/** The price that was shown goes along: when it is another one by now, nothing is bought. */
export const postPurchase = ({ slug, priceCents, currency }: ProductView) =>
  request<PurchaseView>("POST", "/api/purchases", { product: slug, priceCents, currency });
