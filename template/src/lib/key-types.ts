export type ServiceId = "clerk" | "database" | "storage" | "stripe";

export type Verdict = "pass" | "limited" | "fail" | "unknown" | "skipped";

export type Rung = "shape" | "facts" | "ours" | "auth" | "scope" | "pair" | "roundtrip";

/** One rung that was tried. `call` and `answer` hold no secret. */
export type Check = {
  id: string;
  rung: Rung;
  verdict: Verdict;
  say: string;
  fix?: string;
  field?: string;
  call?: string;
  answer?: string;
  ms?: number;
};

/**
 * valid: every required check passed (limited counts). error: the first sentence of what failed, null when valid.
 * unverified: nothing failed, but the vendor could not be asked.
 */
export type ServiceReport = {
  service: ServiceId;
  valid: boolean;
  unverified: boolean;
  error: string | null;
  mode: "test" | "live" | null;
  checks: Check[];
};

/** Environment name -> value. */
export type KeyValues = Record<string, string>;

export type UserKeys = Partial<Record<ServiceId, KeyValues>>;

export type ValidationResult = Partial<Record<ServiceId, ServiceReport>>;
