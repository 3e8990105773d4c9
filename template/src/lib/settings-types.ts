// What the settings page and its API tell each other. Shared by server and browser; no secret is in any of it but where that is said.
import type { ServiceId, ServiceReport } from "./key-types";
import type { KeyState } from "./services";

/** Where keys are kept: `disk` is the overlay file, in effect at once; everywhere else the owner pastes a block and deploys again. */
export type Platform = "disk" | "vercel" | "netlify" | "read-only";

/** `shown`: the whole value of what is no secret, "••••" and the last four characters of a secret. */
export type ShownValue = { set: boolean; shown: string | null };
export type ServiceState = { id: ServiceId; keys: KeyState; mode: "test" | "live" | null; values: Record<string, ShownValue>; changedAt: string | null };

/** `by`: what opens the page: the setup token, the owner being signed in, or nothing, since no token is set. */
export type Locked = { by: "token" | "owner" | "nobody" };
/** `canClaim`: somebody is signed in with own keys of sign-in, and nobody is the owner yet. */
export type Open = {
  csrf: string;
  platform: Platform;
  owner: { set: boolean; canClaim: boolean };
  services: ServiceState[];
  migrated: number;
  allOwn: boolean;
};
/** What `GET /api/settings/keys` answers while the page is open, and what the page itself is made of. */
export type SettingsView = Locked | Open;

/** `block` (on hosts whose disk is not written to) holds what was typed a moment ago. */
export type SaveAnswer = {
  report: ServiceReport;
  saved: boolean;
  block?: string;
  rebuild?: boolean;
  webhook?: { created: boolean; say: string };
  services: ServiceState[];
};

export type Host = "vercel" | "netlify";
/** `token` is used for this one request and kept nowhere. */
export type HostAsk = { host: Host; token: string; project: string; team?: string; dryRun: boolean };
export type HostAnswer = { plan: { name: string; action: "add" | "replace" | "remove" }[]; applied: boolean };
