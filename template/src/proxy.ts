// Runs before every page and API route but those that no person calls: finds out who is signed in, with the keys of this moment. What only a signed-in user
// may have is decided where it is given: `pageUser()` in pages, `requireUser()` in API routes.
import { clerkMiddleware } from "@clerk/nextjs/server";
import { NextResponse, type NextFetchEvent, type NextMiddleware, type NextRequest } from "next/server";
import { askSignIn } from "./lib/clerk-ask";
import { clerkState, type ClerkKeys } from "./lib/clerk-keys";
import { SIGN_IN, SIGN_UP } from "./lib/auth-pages";

type Answer = Awaited<ReturnType<NextMiddleware>>;

const SETTINGS = /^\/(?:api\/)?settings(?:\/|$)/;
const ANSWER_WITHIN_MS = 2_000;

export default async function proxy(request: NextRequest, event: NextFetchEvent) {
  const { keys } = clerkState();
  if (!keys) return unchecked(request);
  const check = async (): Promise<Answer> => clerkMiddleware(options(keys))(request, event);
  return SETTINGS.test(request.nextUrl.pathname) ? settings(request, check, keys) : check();
}

/** Keys are replaced there, so it opens when those of sign-in are no good any more: then nobody is signed in, instead of being sent to a
 * sign-in that is gone. */
async function settings(request: NextRequest, check: () => Promise<Answer>, keys: ClerkKeys): Promise<Answer> {
  const answer = await check().catch(() => undefined);
  if (!answer) return unchecked(request);
  const leadsAway = (answer.status >= 300 && answer.status < 400) || answer.status >= 500;
  const isGone = async () => !(await askSignIn(keys, ANSWER_WITHIN_MS).catch(() => null))?.ok;
  return leadsAway && (await isGone()) ? unchecked(request) : answer;
}

/** On to the page with nobody signed in: what came with the request in the names that the SDK leaves its findings under says nothing. */
function unchecked(request: NextRequest): NextResponse {
  const headers = new Headers([...request.headers].filter(([name]) => !name.startsWith("x-clerk-")));
  return NextResponse.next({ request: { headers } });
}

function options({ publishableKey, secretKey, apiUrl, proxyUrl }: ClerkKeys) {
  return { publishableKey, secretKey, apiUrl, signInUrl: SIGN_IN, signUpUrl: SIGN_UP, ...(proxyUrl && { proxyUrl }) };
}

export const config = { matcher: ["/((?!_next/static/|icon\\.svg$|favicon\\.ico$|api/health$|api/webhooks/).*)"] };
