// Shared by server and browser.
export type ProductView = { id: number; slug: string; name: string; description: string; priceCents: number; currency: string };
export type PurchaseStatus = "pending" | "paid" | "refunded" | "cancelled";
export type PurchaseView = {
  id: number;
  product: string;
  amountCents: number;
  currency: string;
  status: PurchaseStatus;
  createdAt: string;
};
export type PurchasePage = { purchases: PurchaseView[]; total: number };
/** What somebody comes back with from the page where one pays; `purchase` null: nobody's, or somebody else's. */
export type Return = { kind: "success"; purchase: PurchaseView | null } | { kind: "cancelled" };

/** "€12.00"; a currency is three letters, in Stripe's lower case. */
export function money(cents: number, currency: string): string {
  const format = new Intl.NumberFormat("en-GB", { style: "currency", currency: currency.toUpperCase() });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  return format.format(cents / 10 ** digits);
}
