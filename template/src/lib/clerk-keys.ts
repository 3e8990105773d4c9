// The keys of sign-in, as `cfg` names them now, or why there is none. Usable by the proxy too.
import { cfg, cfgSource, inEnvironment } from "./config-core";

const PUBLISHABLE = "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY";
const SECRET = "CLERK_SECRET_KEY";
const ENCRYPTION = "CLERK_ENCRYPTION_KEY";
const VENDOR_API = "https://api.clerk.com";

/** `proxyUrl`, `jsUrl` and `uiUrl` are where browsers find a build's own sign-in; the vendor's needs none of them. */
export type ClerkKeys = {
  publishableKey: string;
  secretKey: string;
  apiUrl: string;
  proxyUrl: string | undefined;
  jsUrl: string | undefined;
  uiUrl: string | undefined;
};
export type ClerkProblem = { code: "auth_not_set" | "auth_bad_key" | "auth_mixed"; message: string };
export type ClerkState = { keys: ClerkKeys; problem?: undefined } | { keys?: undefined; problem: ClerkProblem };

export function clerkState(): ClerkState {
  const publishableKey = cfg(PUBLISHABLE);
  const secretKey = cfg(SECRET);
  const missing = [PUBLISHABLE, SECRET].filter((name) => cfg(name) === undefined);
  if (!inEnvironment(ENCRYPTION)) missing.push(ENCRYPTION); // the SDK reads it once, when the app starts
  if (!publishableKey || !secretKey || missing.length > 0) return { problem: notSet(missing) };
  if (publishableHost(publishableKey) === null) return { problem: badKey(PUBLISHABLE, "pk_test_ or pk_live_") };
  if (!/^sk_(test|live)_\S+$/.test(secretKey)) return { problem: badKey(SECRET, "sk_test_ or sk_live_") };
  if (cfgSource(PUBLISHABLE) !== cfgSource(SECRET) || publishableKey.slice(3, 8) !== secretKey.slice(3, 8)) return { problem: mixed() };
  return {
    keys: {
      publishableKey,
      secretKey,
      apiUrl: belonging("CLERK_API_URL") ?? VENDOR_API,
      proxyUrl: belonging("NEXT_PUBLIC_CLERK_PROXY_URL"),
      jsUrl: belonging("NEXT_PUBLIC_CLERK_JS_URL"),
      uiUrl: belonging("NEXT_PUBLIC_CLERK_UI_URL"),
    },
  };
}

/** The host that a publishable key names; null when it is no such key. */
export function publishableHost(key: string): string | null {
  const match = /^pk_(?:test|live)_([A-Za-z0-9+/]+={0,2})$/.exec(key);
  const text = match ? Buffer.from(match[1]!, "base64").toString("latin1") : "";
  return /^[^$\s]+\.[^$\s]+\$$/.test(text) ? text.slice(0, -1) : null;
}

/** An address belongs to the keys that came with it: once those were replaced, it is another sign-in's. */
function belonging(name: string): string | undefined {
  return cfgSource(name) === cfgSource(PUBLISHABLE) ? cfg(name) : undefined;
}

function notSet(missing: string[]): ClerkProblem {
  if (missing.length === 3)
    return { code: "auth_not_set", message: `No sign-in is set. Start the app with its build's environment, or set ${PUBLISHABLE}, ${SECRET} and ${ENCRYPTION}.` };
  const restart = missing.includes(ENCRYPTION) ? ` ${ENCRYPTION} belongs into the process environment; start the app again after it.` : "";
  return { code: "auth_not_set", message: `Sign-in is not complete: ${missing.join(" and ")} ${missing.length > 1 ? "are" : "is"} missing.${restart}` };
}

function badKey(name: string, beginnings: string): ClerkProblem {
  return { code: "auth_bad_key", message: `${name} is not a key of that kind. It begins with ${beginnings}; copy it again as a whole.` };
}

function mixed(): ClerkProblem {
  return { code: "auth_mixed", message: `${PUBLISHABLE} and ${SECRET} do not belong together. Set both, from the same instance and in the same place.` };
}
