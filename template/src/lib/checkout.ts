// How money comes in: a purchase that waits, a page of the payments service where it is paid, and the service's own word that it
// was. Only that word makes a purchase paid; what a browser says of itself never does.
import "server-only";
import type Stripe from "stripe";
import { z } from "zod";
import { withDatabase } from "./db";
import { HttpError } from "./http";
import { beginPurchase, newPurchase, setReference, type WaitingPurchase } from "./shop";
import type { PurchaseStatus } from "./shop-types";
import { withPayments } from "./stripe";

export const newCheckout = newPurchase;
export type Begun = { purchase: number; url: string };

/** The address where the buyer pays. One who left that page before paying comes back to the same one. */
export async function beginCheckout(buyerId: string, origin: string, wanted: z.infer<typeof newCheckout>): Promise<Begun> {
  const purchase = await beginPurchase(buyerId, wanted);
  const former = purchase.reference === null ? null : await sessionOf(purchase.reference);
  if (former?.status === "complete") {
    await settlePaid(former); // the service's word on it is late
    throw new HttpError(409, "paid_already", "This was paid a moment ago. Look at your purchases.");
  }
  const session = former?.status === "open" ? former : await newSession(purchase, buyerId, origin);
  if (!session.url) throw new HttpError(502, "no_page", "The payments service gave no page to pay on.");
  if (session !== former) await setReference(purchase.id, session.id);
  return { purchase: purchase.id, url: session.url };
}

/** null: these payments know no such session; they may be others than when it began. */
async function sessionOf(id: string): Promise<Stripe.Checkout.Session | null> {
  return withPayments((stripe) =>
    stripe.checkout.sessions.retrieve(id).catch((error: unknown) => {
      if ((error as { code?: unknown }).code === "resource_missing") return null;
      throw error;
    }),
  );
}

async function newSession({ id, product, amountCents, currency, createdAt, reference }: WaitingPurchase, buyerId: string, origin: string) {
  const purchase = String(id);
  // Two requests for one purchase at once get one session.
  const idempotencyKey = ["purchase", id, createdAt.getTime(), reference ?? "first", origin].join(" ").slice(0, 255);
  return withPayments((stripe) =>
    stripe.checkout.sessions.create(
      {
        mode: "payment",
        client_reference_id: buyerId,
        metadata: { purchase },
        payment_intent_data: { metadata: { purchase, buyer: buyerId } }, // where refunds are found by
        line_items: [
          {
            quantity: 1,
            price_data: {
              currency,
              unit_amount: amountCents,
              product_data: { name: product.name, ...(product.description && { description: product.description }) },
            },
          },
        ],
        success_url: `${origin}/?checkout=success&session_id={CHECKOUT_SESSION_ID}`,
        cancel_url: `${origin}/?checkout=cancelled`,
      },
      { idempotencyKey },
    ),
  );
}

/** What the service says happened. The same message may come twice, and late: each of them only moves a purchase forward. What is
 * not about a purchase of this app is nothing to it. */
export async function hear(event: Stripe.Event): Promise<void> {
  switch (event.type) {
    case "checkout.session.completed":
    case "checkout.session.async_payment_succeeded":
      return settlePaid(event.data.object);
    case "checkout.session.expired":
    case "checkout.session.async_payment_failed":
      return cancel(event.data.object);
    case "charge.refunded": {
      const charge = event.data.object;
      const { purchase: id, buyer } = charge.metadata;
      if (charge.refunded) await move({ id, buyer, amount: charge.amount, currency: charge.currency }, ["pending", "paid"], { status: "refunded" });
      return;
    }
  }
}

async function settlePaid(session: Stripe.Checkout.Session): Promise<void> {
  if (session.payment_status === "unpaid") return; // a kind of payment that takes days: another message follows
  await move(termsOf(session), ["pending", "cancelled"], { status: "paid", reference: session.id, paidAt: new Date() });
}

async function cancel(session: Stripe.Checkout.Session): Promise<void> {
  await move(termsOf(session), ["pending"], { status: "cancelled" }, session.id);
}

function termsOf({ metadata, client_reference_id, amount_total, currency }: Stripe.Checkout.Session) {
  return { id: metadata?.purchase, buyer: client_reference_id, amount: amount_total, currency };
}

const told = z.object({ id: z.coerce.number().int().positive(), buyer: z.string().min(1), amount: z.int().min(0), currency: z.string().length(3) });
type Change = { status: PurchaseStatus; reference?: string; paidAt?: Date };

/** Buyer, amount and currency are those that were written down before anybody paid: an account that others use too may have a
 * purchase of the same number. `reference`: only while this is the payment that it waits for. */
async function move(purchase: { [K in keyof z.infer<typeof told>]: unknown }, from: PurchaseStatus[], change: Change, reference?: string): Promise<void> {
  const known = told.safeParse(purchase);
  if (!known.success) return;
  const { id, buyer: buyerId, amount: amountCents, currency } = known.data;
  await withDatabase((db) => db.purchase.updateMany({ where: { id, buyerId, amountCents, currency, status: { in: from }, reference }, data: change }));
}
