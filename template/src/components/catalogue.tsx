"use client";

import Link from "next/link";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { signInFor } from "@/lib/auth-pages";
import { RequestFailed } from "@/lib/notes-client";
import { postPurchase } from "@/lib/shop-client";
import { money, type ProductView, type PurchasePage, type PurchaseView } from "@/lib/shop-types";
import { LocalTime } from "./local-time";

/** `bought` null: nobody is signed in. */
export type Shop = { products: ProductView[]; bought: PurchasePage | null };
const getIt = "mt-0.5 rounded-md border border-line bg-paper px-3.5 py-1 font-medium hover:border-accent hover:text-accent active:translate-y-px aria-disabled:opacity-60";
type Say = (text: string, failed?: boolean) => void;

/** A price list, and what the signed-in user bought from it. */
export function Catalogue({ shop, say }: { shop: Shop | null; say: Say }) {
  return (
    <section aria-labelledby="catalogue-title" data-testid="catalogue" className="min-w-0 border-t border-line pt-4">
      <h2 id="catalogue-title" className="text-xl font-semibold tracking-tight">
        Catalogue
      </h2>
      {shop === null ? (
        <p className="mt-2 text-soft">It could not be read from the database.</p>
      ) : (
        <>
          <Products products={shop.products} signedIn={shop.bought !== null} say={say} />
          <h3 className="mt-8 text-base font-semibold">Your purchases</h3>
          <p data-testid="payments-note" className="mt-1 max-w-[44ch] text-[0.95rem] text-pretty text-soft">
            This app takes no payments yet: what you get is written down as pending, and nothing is charged. Payments come with the payments
            service.
          </p>
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
  const [got, setGot] = useState<PurchaseView | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  const get = async () => {
    if (busy) return;
    setBusy(true);
    try {
      const { status, data } = await postPurchase(product);
      setGot(data);
      setProblem(null);
      say(`purchase #${data.id} written (${status})`);
    } catch (error) {
      const failure = error instanceof RequestFailed ? error : null;
      setGot(null);
      setProblem(failure?.error.message ?? "Something went wrong.");
      say(`purchase not written (${failure?.status || "no answer"})`, true);
    }
    setBusy(false);
    router.refresh(); // the server reads the purchases, and prices that may have changed
  };

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
          <button type="button" aria-label={`Get ${product.name}`} aria-disabled={busy} onClick={() => void get()} className={getIt}>
            Get
          </button>
        ) : (
          <Link href={signInFor("/")} aria-label={`Get ${product.name}: sign in first`} className={getIt}>
            Get
          </Link>
        )}
      </div>
      {/* Always there, so that it is read out when it fills. */}
      <p role="status" className={got ? "mt-2 text-[0.95rem] text-accent" : "sr-only"}>
        {got && `Purchase ${got.id} waits for its payment. Nothing was charged.`}
      </p>
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
      to get something, and to see what you got.
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
        <span>{purchase.status}</span>
      </p>
    </li>
  );
}
