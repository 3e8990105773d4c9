// What can be wrong with sign-in, as sentences for people. Nothing of a key is in them.

export type AuthErrorCode = "auth_unreachable" | "auth_timeout" | "auth_refused" | "auth_busy" | "auth_failed";

const SENTENCES: Record<AuthErrorCode, string> = {
  auth_unreachable: "The sign-in service does not answer. Check that it runs, then try again.",
  auth_timeout: "The sign-in service took too long to answer. Try again in a moment.",
  auth_refused: "The sign-in service refused this app's secret key. It may have expired or been revoked; set a new one.",
  auth_busy: "The sign-in service is busy. Try again in a moment.",
  auth_failed: "The sign-in service could not do this. The app's log has the details.",
};

export function authError(code: AuthErrorCode): { code: AuthErrorCode; message: string } {
  return { code, message: SENTENCES[code] };
}

/** Of an answer that is no success. */
export function authErrorOfStatus(status: number): AuthErrorCode {
  if (status === 401 || status === 403) return "auth_refused";
  return status === 429 || status === 503 ? "auth_busy" : "auth_failed";
}

/** Of a request that got no answer. */
export function authErrorOf(error: unknown): AuthErrorCode {
  const name = error instanceof Error ? error.name : "";
  return name === "TimeoutError" || name === "AbortError" ? "auth_timeout" : "auth_unreachable";
}
