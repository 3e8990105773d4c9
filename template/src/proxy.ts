// Runs before every page and API route but those that no person calls: finds out who is signed in, with the keys of this moment. What only a signed-in user
// may have is decided where it is given: `pageUser()` in pages, `requireUser()` in API routes.
import { clerkMiddleware } from "@clerk/nextjs/server";
import { NextResponse, type NextFetchEvent, type NextRequest } from "next/server";
import { clerkState, type ClerkKeys } from "./lib/clerk-keys";
import { SIGN_IN, SIGN_UP } from "./lib/auth-pages";

export default function proxy(request: NextRequest, event: NextFetchEvent) {
  const { keys } = clerkState();
  return keys ? clerkMiddleware(options(keys))(request, event) : NextResponse.next();
}

function options({ publishableKey, secretKey, apiUrl, proxyUrl }: ClerkKeys) {
  return { publishableKey, secretKey, apiUrl, signInUrl: SIGN_IN, signUpUrl: SIGN_UP, ...(proxyUrl && { proxyUrl }) };
}

export const config = { matcher: ["/((?!_next/static/|icon\\.svg$|favicon\\.ico$|api/health$|api/webhooks/).*)"] };
