// The webhook of this app, registered at Stripe with the owner's key: its signing secret is told once, when it is made, and goes
// straight to where the keys are kept.
import "server-only";
import { isIP } from "node:net";
import Stripe from "stripe";
import { describePaymentsError } from "./payments-error";

const ANSWER_WITHIN_MS = 10_000;
export const WEBHOOK_PATH = "/api/webhooks/stripe";
/** What `hear` in checkout.ts listens to. */
export const WEBHOOK_EVENTS = [
  "checkout.session.completed",
  "checkout.session.async_payment_succeeded",
  "checkout.session.async_payment_failed",
  "checkout.session.expired",
  "charge.refunded",
] as const;

/** `undo` takes it away again, when the keys could not be saved. Without `secret` none was made, and `say` is why. */
export type Webhook = { secret?: string; say: string; undo?: () => Promise<void> };

export async function createWebhook(key: string, origin: string | null): Promise<Webhook> {
  const address = publicAddress(origin);
  if (!address) return { say: `Stripe reaches this app only at a public https address${origin ? `, and ${origin} is none` : ""}. Type the signing secret (whsec_…) of a webhook instead, or save again once the app is deployed.` };
  const url = address + WEBHOOK_PATH;
  const stripe = new Stripe(key, { telemetry: false, timeout: ANSWER_WITHIN_MS, maxNetworkRetries: 0 });
  try {
    const others = (await stripe.webhookEndpoints.list({ limit: 100 })).data.filter((one) => one.url === url && one.status === "enabled").length;
    const made = await stripe.webhookEndpoints.create({ url, enabled_events: [...WEBHOOK_EVENTS], description: "Registered by the settings page of this app" });
    const undo = () => stripe.webhookEndpoints.del(made.id).then(noted, (error: unknown) => void console.error(`settings: webhook ${made.id} was not taken away again: ${describePaymentsError(error)}`));
    if (!made.secret) {
      await undo();
      return { say: "Stripe told no signing secret for the webhook. Make one in its dashboard, and type its secret (whsec_…)." };
    }
    const twice = others > 0 ? ` ${others === 1 ? "Another one has" : `${others} others have`} the same address; the app no longer takes what comes by ${others === 1 ? "it" : "them"}, so delete ${others === 1 ? "it" : "them"} in Stripe's dashboard.` : "";
    return { secret: made.secret, say: `Webhook ${made.id} was registered for ${url}.${twice}`, undo };
  } catch (error) {
    console.error(`settings: webhook: ${describePaymentsError(error)}`);
    const status = (error as { statusCode?: unknown }).statusCode;
    const why = status === 401 || status === 403 ? "this key may not make webhooks (permission Webhook Endpoints: Write)" : typeof status === "number" ? `Stripe answered ${status}` : "Stripe could not be asked";
    return { say: `The webhook was not registered: ${why}. Make it in Stripe's dashboard for ${url}, and type its signing secret (whsec_…).` };
  }
}

function noted(): void {}

/** The origin, when others than this machine and its network can reach it by name. */
export function publicAddress(origin: string | null): string | null {
  const url = origin !== null && URL.canParse(origin) ? new URL(origin) : null;
  if (url?.protocol !== "https:" || url.port !== "") return null;
  const host = url.hostname.replace(/\.$/, "");
  if (isIP(host.replace(/^\[|\]$/g, "")) !== 0 || !host.includes(".")) return null;
  return /\.(localhost|local|internal|lan|home|arpa)$/.test(host) ? null : url.origin;
}
