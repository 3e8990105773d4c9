// Who asks, until the app has sign-in: a random cookie that only the server reads. The database knows its hash alone, so rows
// that leak open nobody's files. With sign-in, answer the user's id here instead.
import "server-only";
import { createHash, randomBytes } from "node:crypto";
import { cookies } from "next/headers";

const COOKIE = "visitor";
const SHAPE = /^[0-9a-f]{32}$/;
const YEAR_S = 365 * 24 * 3600;

/** null: nobody we have met. */
export async function visitor(): Promise<string | null> {
  const value = (await cookies()).get(COOKIE)?.value ?? "";
  return SHAPE.test(value) ? idOf(value) : null;
}

/** In an API route: whoever has no cookie yet gets one with the answer. */
export async function meetVisitor(request: Request): Promise<string> {
  const known = await visitor();
  if (known) return known;
  const value = randomBytes(16).toString("hex");
  const secure = new URL(request.url).protocol === "https:";
  (await cookies()).set(COOKIE, value, { httpOnly: true, sameSite: "lax", secure, path: "/", maxAge: YEAR_S });
  return idOf(value);
}

function idOf(value: string): string {
  return `visitor_${createHash("sha256").update(value).digest("hex").slice(0, 32)}`;
}
