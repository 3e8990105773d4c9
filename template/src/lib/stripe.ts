// Payments of this app: Stripe's own SDK, at the address and with the keys that `cfg` names now. The keys stay on the server; a
// browser only goes to an address that the SDK gave. STRIPE_API_BASE is there while the app runs on a build's payments; without it
// the SDK asks Stripe itself, so the owner's own keys need no change of the code.
import "server-only";
import Stripe from "stripe";
import { cfg, cfgSource } from "./config";
import { quietLog } from "./log";
import { describePaymentsError, paymentsError, toPaymentsError } from "./payments-error";

const ANSWER_WITHIN_MS = 10_000;
const SECRET = "STRIPE_SECRET_KEY";

const log = quietLog("payments");

type Opened = { stamp: string; stripe: Stripe };

let opened: Opened | undefined;

export function paymentsAreSet(): boolean {
  return Boolean(cfg(SECRET)) && webhookSecret() !== undefined;
}

/** Differs whenever the payments that `cfg` names are others. Not to be shown: the key is in it. */
export function paymentsStamp(): string {
  return JSON.stringify([cfg(SECRET), apiBase(), webhookSecret()]);
}

/** Every failure becomes a PaymentsError and is logged without secrets. */
export async function withPayments<T>(use: (stripe: Stripe) => Promise<T>): Promise<T> {
  try {
    return await use(open());
  } catch (error) {
    const wrapped = toPaymentsError(error);
    log(`${wrapped.code}: ${describePaymentsError(wrapped.cause ?? wrapped)}`);
    throw wrapped;
  }
}

/** null: the payments service did not send this, or not now. `body` is what came, byte for byte: that is what was signed. */
export async function eventOf(body: Uint8Array, signature: string): Promise<Stripe.Event | null> {
  const secret = webhookSecret();
  if (!secret) throw paymentsError("payments_not_set");
  try {
    return await open().webhooks.constructEventAsync(Buffer.from(body), signature, secret);
  } catch (error) {
    log(`a webhook was refused: ${describePaymentsError(error)}`);
    return null;
  }
}

function open(): Stripe {
  const key = cfg(SECRET);
  if (!key || !paymentsAreSet()) throw paymentsError("payments_not_set");
  if (!/^[sr]k_(test|live)_\w+$/.test(key)) throw paymentsError("payments_bad_key");
  const base = apiBase();
  const stamp = JSON.stringify([key, base]);
  if (opened?.stamp !== stamp) opened = { stamp, stripe: new Stripe(key, { ...addressOf(base), telemetry: false, timeout: ANSWER_WITHIN_MS, maxNetworkRetries: 1 }) };
  return opened.stripe;
}

function addressOf(base: string | undefined): Stripe.StripeConfig {
  if (!base) return {};
  const url = URL.canParse(base) ? new URL(base) : null;
  if (url?.protocol !== "http:" && url?.protocol !== "https:") throw paymentsError("payments_unreachable");
  const protocol = url.protocol === "http:" ? "http" : "https";
  return { protocol, host: url.hostname, port: url.port || (protocol === "http" ? 80 : 443) };
}

/** An address and a webhook's secret belong to the key that came with them: once that was replaced, they are others'. */
function apiBase(): string | undefined {
  return belonging("STRIPE_API_BASE");
}

function webhookSecret(): string | undefined {
  return belonging("STRIPE_WEBHOOK_SECRET");
}

function belonging(name: string): string | undefined {
  return cfgSource(name) === cfgSource(SECRET) ? cfg(name) : undefined;
}
