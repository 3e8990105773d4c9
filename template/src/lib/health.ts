// What /api/health reports of each service: one real request, and a failure is an answer, never thrown.
import "server-only";
import { authError, authErrorOf, authErrorOfStatus } from "./auth-error";
import { askSignIn } from "./clerk-ask";
import { clerkState, type ClerkKeys } from "./clerk-keys";
import { toDatabaseError } from "./db-error";
import { quietLog } from "./log";
import type { ApiError, DatabaseHealth, ServiceHealth } from "./note-types";
import { countNotes } from "./notes";
import { describePaymentsError, toPaymentsError } from "./payments-error";
import { keyPrefix, objectSize, storageStamp } from "./storage";
import { toStorageError } from "./storage-error";
import { paymentsStamp, withPayments } from "./stripe";

const ANSWER_WITHIN_MS = 5_000;
const ASK_AGAIN_AFTER_MS = 1_000; // whoever asks, the services are asked no more often

const log = quietLog("auth");

export async function databaseHealth(): Promise<DatabaseHealth> {
  const ms = stopwatch();
  try {
    const notes = await countNotes();
    return { ok: true, notes, ms: ms() };
  } catch (error) {
    const { code, message } = toDatabaseError(error);
    return { ok: false, error: { code, message }, ms: ms() };
  }
}

export const authHealth = seldom(() => {
  const { keys, problem } = clerkState();
  if (problem) return { stamp: problem.message, ask: async () => problem };
  return { stamp: `${keys.apiUrl} ${keys.secretKey}`, ask: () => askAuth(keys) };
});

/** An object that is not there: a storage that says so knows the key. */
export const storageHealth = seldom(() => ({
  stamp: storageStamp(),
  ask: async () => {
    try {
      await objectSize(`${keyPrefix()}health`);
      return null;
    } catch (error) {
      const { code, message } = toStorageError(error);
      return { code, message };
    }
  },
}));

/** The balance, which every whole key may read. One that is restricted to other calls is known as well, and that is enough. */
export const paymentsHealth = seldom(() => ({
  stamp: paymentsStamp(),
  ask: async () => {
    try {
      await withPayments((stripe) =>
        stripe.balance.retrieve({}, { maxNetworkRetries: 0, timeout: ANSWER_WITHIN_MS }).catch((error: unknown) => {
          if (!/StripePermissionError/.test(describePaymentsError(error))) throw error;
        }),
      );
      return null;
    } catch (error) {
      const { code, message } = toPaymentsError(error);
      return { code, message };
    }
  },
}));

async function askAuth(keys: ClerkKeys): Promise<ApiError | null> {
  try {
    const { ok, status } = await askSignIn(keys, ANSWER_WITHIN_MS);
    if (ok) return null;
    log(`health: ${status}`);
    return authError(authErrorOfStatus(status));
  } catch (error) {
    const code = authErrorOf(error);
    log(`health: ${code}`);
    return authError(code);
  }
}

type Question = { stamp: string; ask: () => Promise<ApiError | null> };

/** The answer of a moment ago counts for everybody, unless the keys are others by now. */
function seldom(question: () => Question): () => Promise<ServiceHealth> {
  let last = { stamp: "", at: -Infinity, answer: Promise.resolve<ServiceHealth>({ ok: true, ms: 0 }) };
  return () => {
    const { stamp, ask } = question();
    const now = performance.now();
    if (stamp !== last.stamp || now - last.at >= ASK_AGAIN_AFTER_MS) last = { stamp, at: now, answer: timed(ask) };
    return last.answer;
  };
}

async function timed(ask: () => Promise<ApiError | null>): Promise<ServiceHealth> {
  const ms = stopwatch();
  const error = await ask();
  return error ? { ok: false, error, ms: ms() } : { ok: true, ms: ms() };
}

function stopwatch(): () => number {
  const started = performance.now();
  return () => Math.round((performance.now() - started) * 10) / 10;
}
