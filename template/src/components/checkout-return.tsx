"use client";

import { useRouter } from "next/navigation";
import { useEffect, useState } from "react";
import { money, type Return } from "@/lib/shop-types";

const LOOK_EVERY_MS = 1_000;
const LOOKS = 20;

/** Above the page when somebody comes back from paying, or from not paying. A purchase is paid once the payments service told the
 * app so, which may be a moment after the buyer is back: until then the page looks again. */
export function CheckoutReturn({ back }: { back: Return | null }) {
  const router = useRouter();
  const [looks, setLooks] = useState(0);
  const waits = back?.kind === "success" && back.purchase?.status === "pending";
  const looking = waits && looks < LOOKS;
  useEffect(() => {
    if (!looking) return;
    const timer = setTimeout(() => {
      setLooks(looks + 1);
      router.refresh();
    }, LOOK_EVERY_MS);
    return () => clearTimeout(timer);
  }, [looking, looks, router]);

  const said = sentence(back, looking);
  // Always there, so that it is read out when it fills.
  return (
    <p role="status" data-testid="checkout-return" data-state={said?.state} className={said ? `mb-8 rounded-lg px-5 py-4 text-pretty ${LOOKS_LIKE[said.state]}` : "sr-only"}>
      {said?.text}
      {said?.state === "paid" && (
        <>
          {" "}
          <a href="#purchases" className="underline underline-offset-4 hover:no-underline">
            Your purchases
          </a>
        </>
      )}
    </p>
  );
}

type State = "paid" | "waits" | "late" | "not paid";
const LOOKS_LIKE: Record<State, string> = {
  paid: "bg-tint font-medium text-accent",
  waits: "bg-tint",
  late: "bg-alarm-tint text-alarm",
  "not paid": "border border-line bg-paper",
};

function sentence(back: Return | null, looking: boolean): { state: State; text: string } | null {
  if (!back) return null;
  if (back.kind === "cancelled") return { state: "not paid", text: "Nothing was paid. What you chose is still in the catalogue." };
  const { purchase } = back;
  if (!purchase) return null;
  const what = `${purchase.product}, ${money(purchase.amountCents, purchase.currency)}`;
  if (purchase.status === "paid") return { state: "paid", text: `Thank you. ${what}: it is paid, and yours.` };
  if (purchase.status !== "pending") return { state: "not paid", text: `${what}: this purchase is ${purchase.status}.` };
  if (looking) return { state: "waits", text: `Thank you. ${what}: waiting for the word of the payments service…` };
  return { state: "late", text: `${what}: the payments service has not told this app yet that it was paid. It will be in your purchases as soon as it has.` };
}
