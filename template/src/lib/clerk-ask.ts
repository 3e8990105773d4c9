// Whether sign-in knows the secret key: one request for the keys that sessions are signed with, which only it opens. Usable by the proxy too.
import type { ClerkKeys } from "./clerk-keys";

/** The status of the answer; throws when there is none within `withinMs`. */
export async function askSignIn({ apiUrl, secretKey }: Pick<ClerkKeys, "apiUrl" | "secretKey">, withinMs: number): Promise<{ ok: boolean; status: number }> {
  const response = await fetch(`${apiUrl}/v1/jwks`, {
    headers: { authorization: `Bearer ${secretKey}` },
    cache: "no-store",
    redirect: "error",
    signal: AbortSignal.timeout(withinMs),
  });
  await response.body?.cancel();
  return response;
}
