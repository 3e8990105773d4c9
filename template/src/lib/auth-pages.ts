// Shared by server and browser.
export const SIGN_IN = "/sign-in";
export const SIGN_UP = "/sign-up";
export const PROFILE = "/profile";

/** A sign-in page that comes back to `path` of this app. */
export function signInFor(path: string): string {
  return `${SIGN_IN}?${new URLSearchParams({ redirect_url: path })}`;
}
