// The browser's side of /api/checkout.
import { request } from "./notes-client";
import type { ProductView } from "./shop-types";

/** Where to pay. The price that was shown goes along: when it is another one by now, nothing begins. */
export const postCheckout = ({ slug, priceCents, currency }: ProductView) =>
  request<{ purchase: number; url: string }>("POST", "/api/checkout", { product: slug, priceCents, currency });
