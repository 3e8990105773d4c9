// Who may use the settings page. Whoever shows the setup token gets a session; once the app has an owner (SETTINGS_OWNER, a user of its
// own sign-in), the token is void, and only a session of that user counts, while that user is signed in.
//
// The cookie says nothing but a random id and when it ends, under a MAC: any instance of the app knows it, after a restart too. A
// session that was ended is remembered until it would have ended by itself.
import "server-only";
import { createHash, createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";
import { cookies } from "next/headers";
import { cfg, isClosed } from "./config";
import { HttpError } from "./http";
import { count, waitOf, type Rate } from "./rate";
import { userId } from "./user";

const COOKIE = "settings";
const LASTS_S = 8 * 60 * 60;
const ENDED_MAX = 10_000;
const TOKEN_MIN = 32;
const UNKNOWN = "sealed"; // no id of a user
const WRONG_TOKENS: Rate = { name: "wrong setup tokens", most: 5, perMs: 60_000 };

const kept = globalThis as typeof globalThis & { __appSettings?: { key: Buffer; ended: Map<string, number> } };

export type Session = { id: string; csrf: string };

export function setupToken(): string | undefined {
  const token = cfg("SETTINGS_TOKEN");
  return token !== undefined && token.length >= TOKEN_MIN ? token : undefined;
}

/** Once there is one there is one: a name that cannot be opened is nobody's, and the setup token stays void. */
export function owner(): string | undefined {
  return isClosed("SETTINGS_OWNER") ? UNKNOWN : cfg("SETTINGS_OWNER");
}

/** What opens the page now. */
export function opensBy(): "token" | "owner" | "nobody" {
  if (owner() !== undefined) return "owner";
  return setupToken() === undefined ? "nobody" : "token";
}

/** The session of who asks; null: there is none that counts. */
export async function currentSession(): Promise<Session | null> {
  const [id, ends, mac, more] = ((await cookies()).get(COOKIE)?.value ?? "").split(".");
  if (!id || !ends || !mac || more !== undefined || !/^\d{1,12}$/.test(ends)) return null;
  if (!same(mac, macOf(`session ${id}.${ends}`))) return null;
  if (Number(ends) <= now() || state().ended.has(id)) return null;
  const wanted = owner();
  if (wanted !== undefined ? (await userId()) !== wanted : setupToken() === undefined) return null;
  return { id, csrf: macOf(`csrf ${id}`) };
}

/** Begins a session for who shows the token, or is the owner; HttpError otherwise. `secure`: the browser came by https. */
export async function beginSession(token: string | undefined, secure: boolean): Promise<Session> {
  await mayBegin(token);
  const id = randomBytes(32).toString("base64url");
  const ends = `${now() + LASTS_S}`;
  (await cookies()).set(COOKIE, `${id}.${ends}.${macOf(`session ${id}.${ends}`)}`, { httpOnly: true, sameSite: "strict", path: "/", secure, maxAge: LASTS_S });
  return { id, csrf: macOf(`csrf ${id}`) };
}

export async function endSession({ id }: Session): Promise<void> {
  const { ended } = state();
  for (const [old, until] of ended) if (until <= now() || ended.size >= ENDED_MAX) ended.delete(old);
  ended.set(id, now() + LASTS_S);
  (await cookies()).set(COOKIE, "", { httpOnly: true, sameSite: "strict", path: "/", maxAge: 0 });
}

export function csrfIsRight(session: Session, given: string | null): boolean {
  return given !== null && same(given, session.csrf);
}

async function mayBegin(token: string | undefined): Promise<void> {
  const wanted = owner();
  if (wanted !== undefined) {
    const user = await userId();
    if (user === wanted) return;
    if (user !== null) throw new HttpError(403, "not_owner", "Somebody else is the owner of this app. Sign in as the owner.");
    if (token !== undefined) throw new HttpError(401, "token_void", "The setup token is void: this app has an owner. Sign in as the owner, then unlock.");
    throw new HttpError(401, "signed_out", "Sign in as the owner of this app first, then unlock.");
  }
  const right = setupToken();
  if (right === undefined)
    throw new HttpError(503, "no_token", `No setup token is set. Start the app with SETTINGS_TOKEN in its environment (${TOKEN_MIN} characters or more).`);
  const wait = waitOf(WRONG_TOKENS);
  if (wait > 0) throw new TooOften(wait, "Too many wrong tokens. Wait a minute, then try again.");
  if (token !== undefined && same(token, right)) return;
  count(WRONG_TOKENS);
  throw new HttpError(401, "wrong_token", "That token is not right.");
}

/** 429, with what Retry-After says. */
export class TooOften extends HttpError {
  constructor(
    readonly seconds: number,
    message = "Too many requests. Wait a moment, then try again.",
  ) {
    super(429, "too_often", message);
  }
}

function same(a: string, b: string): boolean {
  const [x, y] = [a, b].map((text) => createHash("sha256").update(text).digest());
  return timingSafeEqual(x!, y!);
}

function macOf(text: string): string {
  return createHmac("sha256", sessionKey()).update(text).digest("base64url");
}

/** Of what is secret in the environment, so that a new setup token ends all sessions. Where there is nothing of it (the app has an owner,
 * and moved on), sessions end with the process. */
function sessionKey(): Buffer {
  const secrets = ["SETTINGS_TOKEN", "SETTINGS_ENCRYPTION_KEY"].map((name) => cfg(name) ?? "");
  return secrets.some(Boolean) ? Buffer.from(hkdfSync("sha256", JSON.stringify(secrets), "", "settings-session-v1", 32)) : state().key;
}

function state() {
  return (kept.__appSettings ??= { key: randomBytes(32), ended: new Map() });
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
