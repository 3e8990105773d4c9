"use client";

import Link from "next/link";
import { useRouter } from "next/navigation";
import { useEffect, useState } from "react";
import { signInFor } from "@/lib/auth-pages";
import { RequestFailed } from "@/lib/notes-client";
import type { KeyState } from "@/lib/services";
import { postCheckout } from "@/lib/shop-client";
import { money, type ProductView, type PurchasePage, type PurchaseView } from "@/lib/shop-types";
import { LocalTime } from "./local-time";

/** `bought` null: nobody is signed in. */
export type Shop = { products: ProductView[]; bought: PurchasePage | null };
const buyIt = "mt-0.5 rounded-md border border-line bg-paper px-3.5 py-1 font-medium hover:border-accent hover:text-accent active:translate-y-px aria-disabled:opacity-60";
type Say = (text: string, failed?: boolean) => void;

const PAYMENTS: Record<KeyState, string> = {
  "build keys": "Payments are in test mode, and no money moves: pay with the card 4242 4242 4242 4242, any date to come and any CVC.",
  "your keys": "You pay on the page of the payments service, and come back here.",
  "not set": "This app takes no payments: no keys of a payments service are set.",
};

/** A price list, and what the signed-in user bought from it. */
export function Catalogue({ shop, payments, say }: { shop: Shop | null; payments: KeyState; say: Say }) {
  return (
    <section aria-labelledby="catalogue-title" data-testid="catalogue" className="min-w-0 border-t border-line pt-4">
      <h2 id="catalogue-title" className="text-xl font-semibold tracking-tight">
        Catalogue
      </h2>
      {shop === null ? (
        <p className="mt-2 text-soft">It could not be read from the database.</p>
      ) : (
        <>
          <p data-testid="payments-note" className="mt-1 max-w-[44ch] text-[0.95rem] text-pretty text-soft">
            {PAYMENTS[payments]}
          </p>
          <Products products={shop.products} signedIn={shop.bought !== null} say={say} />
          <h3 id="purchases" className="mt-8 scroll-mt-8 text-base font-semibold">
            Your purchases
          </h3>
          {shop.bought === null ? <SignInFirst /> : <Purchases bought={shop.bought} />}
        </>
      )}
    </section>
  );
}

function Products({ products, signedIn, say }: { products: ProductView[]; signedIn: boolean; say: Say }) {
  if (products.length === 0) return <p className="mt-2 text-soft">Nothing is for sale.</p>;
  return (
    <ul className="mt-4 flex flex-col gap-4">
      {products.map((product) => (
        <ForSale key={product.id} product={product} signedIn={signedIn} say={say} />
      ))}
    </ul>
  );
}

function ForSale({ product, signedIn, say }: { product: ProductView; signedIn: boolean; say: Say }) {
  const router = useRouter();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);

  const buy = async () => {
    if (busy) return;
    setBusy(true);
    try {
      const { status, data } = await postCheckout(product);
      setProblem(null);
      say(`checkout of purchase #${data.purchase} begun (${status})`);
      location.assign(data.url); // busy until that page is there
    } catch (error) {
      const failure = error instanceof RequestFailed ? error : null;
      setProblem(failure?.error.message ?? "Something went wrong.");
      say(`checkout not begun (${failure?.status || "no answer"})`, true);
      setBusy(false);
      router.refresh(); // the server reads the purchases, and prices that may have changed
    }
  };
  // A page that the browser kept comes back as it was left.
  useEffect(() => {
    const back = (event: PageTransitionEvent) => event.persisted && setBusy(false);
    addEventListener("pageshow", back);
    return () => removeEventListener("pageshow", back);
  }, []);

  return (
    <li data-product={product.slug}>
      <p className="price-line text-lg">
        <span className="min-w-0 font-medium break-words">{product.name}</span>
        <span aria-hidden="true" className="price-leader" />
        <span className="font-mono text-base text-accent tabular-nums">{money(product.priceCents, product.currency)}</span>
      </p>
      <div className="mt-0.5 flex items-start justify-between gap-x-6">
        <p className="max-w-[38ch] min-w-0 text-[0.95rem] text-pretty break-words text-soft">{product.description}</p>
        {signedIn ? (
          <button type="button" aria-label={`Buy ${product.name}`} aria-disabled={busy} onClick={() => void buy()} className={buyIt}>
            Buy
          </button>
        ) : (
          <Link href={signInFor("/")} aria-label={`Buy ${product.name}: sign in first`} className={buyIt}>
            Buy
          </Link>
        )}
      </div>
      {problem && (
        <p role="alert" className="mt-2 rounded-md bg-alarm-tint px-3 py-2 text-alarm">
          {problem}
        </p>
      )}
    </li>
  );
}

function SignInFirst() {
  return (
    <p data-testid="no-purchases" className="mt-2 text-[0.95rem] text-soft">
      <Link href={signInFor("/")} className="font-medium text-accent underline underline-offset-4 hover:no-underline">
        Sign in
      </Link>{" "}
      to buy something, and to see what you bought.
    </p>
  );
}

function Purchases({ bought }: { bought: PurchasePage }) {
  if (bought.total === 0)
    return (
      <p data-testid="no-purchases" className="mt-2 text-[0.95rem] text-soft">
        None yet.
      </p>
    );
  return (
    <>
      <ul className="mt-3 flex flex-col gap-2">
        {bought.purchases.map((purchase) => (
          <Bought key={purchase.id} purchase={purchase} />
        ))}
      </ul>
      {bought.total > bought.purchases.length && (
        <p className="mt-2 font-mono text-sm text-soft tabular-nums">{bought.total} in all</p>
      )}
    </>
  );
}

function Bought({ purchase }: { purchase: PurchaseView }) {
  return (
    <li data-purchase={purchase.id}>
      <p className="price-line">
        <span className="min-w-0 break-words">{purchase.product}</span>
        <span aria-hidden="true" className="price-leader" />
        <span className="font-mono text-[0.95rem] tabular-nums">{money(purchase.amountCents, purchase.currency)}</span>
      </p>
      <p className="flex flex-wrap gap-x-3 text-[0.95rem] text-soft">
        <LocalTime iso={purchase.createdAt} edited={false} />
        <span className={purchase.status === "paid" ? "font-medium text-accent" : undefined}>{purchase.status}</span>
      </p>
    </li>
  );
}
