import { money, type ProductView, type PurchasePage, type PurchaseView } from "@/lib/shop-types";
import { LocalTime } from "./local-time";

export type Shop = { products: ProductView[]; bought: PurchasePage };

/** A price list, and what was bought from it. */
export function Catalogue({ shop }: { shop: Shop | null }) {
  return (
    <section aria-labelledby="catalogue-title" data-testid="catalogue" className="min-w-0 border-t border-line pt-4">
      <h2 id="catalogue-title" className="text-xl font-semibold tracking-tight">
        Catalogue
      </h2>
      {shop === null ? (
        <p className="mt-2 text-soft">It could not be read from the database.</p>
      ) : (
        <>
          <Products products={shop.products} />
          <h3 className="mt-8 text-base font-semibold">Purchases</h3>
          <Purchases bought={shop.bought} />
        </>
      )}
    </section>
  );
}

function Products({ products }: { products: ProductView[] }) {
  if (products.length === 0) return <p className="mt-2 text-soft">Nothing is for sale.</p>;
  return (
    <ul className="mt-4 flex flex-col gap-4">
      {products.map((product) => (
        <li key={product.id} data-product={product.slug}>
          <p className="price-line text-lg">
            <span className="min-w-0 font-medium break-words">{product.name}</span>
            <span aria-hidden="true" className="price-leader" />
            <span className="font-mono text-base text-accent tabular-nums">{money(product.priceCents, product.currency)}</span>
          </p>
          <p className="max-w-[38ch] text-[0.95rem] text-pretty text-soft">{product.description}</p>
        </li>
      ))}
    </ul>
  );
}

function Purchases({ bought }: { bought: PurchasePage }) {
  if (bought.total === 0)
    return (
      <p data-testid="no-purchases" className="mt-1 max-w-[44ch] text-[0.95rem] text-soft">
        None yet. They are listed here as soon as the app takes payments.
      </p>
    );
  return (
    <>
      <ul className="mt-2 flex flex-col gap-2">
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
