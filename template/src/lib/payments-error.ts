// What can be wrong with payments, as sentences for people. Nothing of a key is in them.

export type PaymentsErrorCode =
  | "payments_not_set"
  | "payments_bad_key"
  | "payments_unreachable"
  | "payments_timeout"
  | "payments_refused"
  | "payments_busy"
  | "payments_failed";

export class PaymentsError extends Error {
  constructor(
    readonly code: PaymentsErrorCode,
    message: string,
    readonly cause?: unknown,
  ) {
    super(message);
    this.name = "PaymentsError";
  }
}

const SENTENCES: Record<PaymentsErrorCode, string> = {
  payments_not_set: "No payments are set. Start the app with its build's environment, or set STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET.",
  payments_bad_key: "STRIPE_SECRET_KEY is not a key of that kind. It begins with sk_test_, sk_live_, rk_test_ or rk_live_; copy it again as a whole.",
  payments_unreachable: "The payments service does not answer. Check that it runs, then try again.",
  payments_timeout: "The payments service took too long to answer. Try again in a moment.",
  payments_refused: "The payments service refused this app's key. It may have expired or been revoked; set a new one.",
  payments_busy: "The payments service is busy. Try again in a moment.",
  payments_failed: "The payments service could not do this. The app's log has the details.",
};

const TIMEOUTS = /timed? ?out|ETIMEDOUT|aborted/i;

export function paymentsError(code: PaymentsErrorCode, cause?: unknown): PaymentsError {
  return new PaymentsError(code, SENTENCES[code], cause);
}

/** By what the SDK's errors say of themselves: the type that each carries as a string. */
export function toPaymentsError(error: unknown): PaymentsError {
  if (error instanceof PaymentsError) return error;
  switch (fieldsOf(error).type) {
    case "StripeConnectionError":
      return paymentsError(TIMEOUTS.test(connectionTrouble(error)) ? "payments_timeout" : "payments_unreachable", error);
    case "StripeAuthenticationError":
    case "StripePermissionError":
      return paymentsError("payments_refused", error);
    case "StripeRateLimitError":
      return paymentsError("payments_busy", error);
    default:
      return paymentsError(fieldsOf(error).status === 503 ? "payments_busy" : "payments_failed", error);
  }
}

/** For the app's own log. The SDK's messages about a request repeat what was sent and a part of the key, so they stay out; the
 * request's id finds them at the service. */
export function describePaymentsError(error: unknown): string {
  const { type, code, param, status, requestId } = fieldsOf(error);
  return [type || (error instanceof Error ? error.name : "unknown error"), code, param, status, requestId].filter(Boolean).join(" ");
}

type Fields = { type: string; code: string; param: string; status: number | undefined; requestId: string };

function fieldsOf(error: unknown): Fields {
  const of = (typeof error === "object" && error !== null ? error : {}) as Record<string, unknown>;
  const text = (name: string) => (typeof of[name] === "string" ? (of[name] as string) : "");
  return { type: text("type"), code: text("code"), param: text("param"), status: typeof of.statusCode === "number" ? of.statusCode : undefined, requestId: text("requestId") };
}

function connectionTrouble(error: unknown): string {
  const { message, detail } = error as { message?: unknown; detail?: { code?: unknown; message?: unknown } };
  return [message, detail?.code, detail?.message].filter((part) => typeof part === "string").join(" ");
}
