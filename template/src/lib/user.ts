// Who asks: the user's id when somebody is signed in. Rows that belong to a person have it in `ownerId` or `buyerId`.
import "server-only";
import { auth } from "@clerk/nextjs/server";
import { clerkState, type ClerkProblem } from "./clerk-keys";
import { HttpError } from "./http";

/** null: nobody is signed in, or there is no sign-in. */
export async function userId(): Promise<string | null> {
  // Without keys the proxy has checked nothing, so nothing that came with the request counts.
  if (clerkState().problem) return null;
  try {
    return (await auth()).userId;
  } catch (error) {
    if (error instanceof Error && /clerkMiddleware/.test(error.message)) return null; // nor has it where sign-in is gone (src/proxy.ts)
    throw error;
  }
}

/** In an API route: 401 when nobody is signed in, 503 when there is no sign-in. */
export async function requireUser(): Promise<string> {
  const { problem } = clerkState();
  if (problem) throw new HttpError(503, problem.code, problem.message);
  const { userId } = await auth();
  if (!userId) throw new HttpError(401, "signed_out", "Sign in first, then try again.");
  return userId;
}

/** In a page: whoever is not signed in goes to the sign-in page and comes back after it. */
export async function pageUser(): Promise<{ id: string; problem?: undefined } | { id?: undefined; problem: ClerkProblem }> {
  const { problem } = clerkState();
  if (problem) return { problem };
  const { userId, redirectToSignIn } = await auth();
  return userId ? { id: userId } : redirectToSignIn();
}
