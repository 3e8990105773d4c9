// The table of all key checks, key-rules.json, and its notation. The table is the only place that has sentences and addresses; what
// runs it is validate-keys.ts. valetkey's own program runs the same table, so a change of the notation is a change of both.
//
// Texts may name variables, {NAME}: the values that were typed (by their environment names), what key-facts.ts makes of them, what
// `read` took from answers, and {label} {error} {is} of a field, {vendor}, and {host} {status} {code} of a call. A name that has no value is
// replaced by nothing. In a URL variables are percent-encoded, except a host or an origin at its beginning ({db_http}, {s3_endpoint},
// {pk_host}), and the slashes of {canary}. Secrets are shown as four dots in texts for people, also where an answer repeats one.
//
// What `read` takes is at most 256 bytes without control characters, else it is empty; a variable whose name ends with "_secret" is a secret. A
// code is at most 64 letters, digits, "_", "." and "-"; another one is passed over. An answer whose header says that valetkey itself served it
// (Valetkey-Served-By) fails the check, whatever else it says, also a check that is not required.
//
// Patterns are of what POSIX ERE and JavaScript read alike: no backslash, no lookaround, nothing repeated more than 255 times.
//
// `elsewhere` is for valetkey's own program where it has no libpq, which it speaks PostgreSQL with.
import rules from "./key-rules.json";
import type { Rung, ServiceId, Verdict } from "./key-types";

/** `matches`: [text, pattern]. `equal`: two texts. */
export type Condition =
  | { equal: [string, string] }
  | { matches: [string, string] }
  | { not: Condition }
  | { all: Condition[] }
  | { any: Condition[] };

/** Why there was no answer. `guard`: the address is one that is never called. */
export type NoAnswer = "timeout" | "dns" | "tls" | "unreachable" | "too_large" | "guard" | "invalid";

export type Outcome = { verdict: Verdict; say: string; fix?: string };

/** The first whose every condition holds decides. */
export type Answer = Outcome & {
  /** Of a test. */
  ok?: boolean;
  /** A number, "2xx", "3xx", "4xx", "5xx", or "none": there was no answer. Left out: any answer. */
  status?: Status | Status[];
  why?: NoAnswer;
  /** The vendor's own code in the answer, found by the service's `code`. */
  code?: string | string[];
  /** JSON pointer -> text: a string, a number or a truth value that reads so. */
  json?: Record<string, string>;
  /** Some element of the array at `in` has all of these. */
  some?: { in: string; where: Record<string, string> };
  /** A part of the body. */
  has?: string;
  /** The whole body. */
  body?: string;
  /** A header that is there and reads so, or one of them. */
  header?: Record<string, string | string[]>;
};
export type Status = number | "2xx" | "3xx" | "4xx" | "5xx" | "none";

/** `auth`: "bearer:NAME" sends that value as a bearer token; "s3" signs with the storage's keys (Signature Version 4). Method "SQL"
 * is PostgreSQL: a login at the address in the check's field, and the statement `body`, which is taken back; its status is 200, or 400 with
 * the SQLSTATE as the code. What is shown of a call is its method and its URL without the query. */
export type Call = {
  method: string;
  url: string;
  auth?: string;
  headers?: Record<string, string>;
  body?: string;
  form?: Record<string, string>;
};

/** What happens in this order: `when` decides whether the check is in the report at all. Then it runs if all of `needs` passed, and at least
 * one of `after` was run and did not fail; otherwise it is skipped. One with `instead` runs only where that other check ended unknown,
 * and stands for it once it has passed. `required: false`: the keys are valid whatever comes out. */
export type Rule = {
  id: string;
  rung: Rung;
  required?: boolean;
  needs?: string[];
  after?: string[];
  instead?: string;
  when?: Condition;
  field?: string;
  /** `fields`: foreign values, then the pattern of each field; failures name their field. `ours`: valetkey's own keys. */
  code?: "fields" | "ours";
  test?: Condition;
  call?: Call;
  /** Variable -> where: "/json/pointer", "header:name", or "word:beginning" (the first word of letters, digits and "_" that begins so). */
  read?: Record<string, string>;
  answers?: Answer[];
};

export type Field = {
  env: string;
  /** Other names of the same value, written with it. */
  also: string[];
  label: string;
  hint: string;
  secret: boolean;
  optional?: boolean;
  pattern: string;
  /** Behind the label: "must start with …". */
  error: string;
  /** The field counts only then. */
  when?: Condition;
};

export type Service = {
  name: string;
  vendor: string;
  purpose: string;
  dashboard: string;
  steps: string[];
  mode: string | null;
  fields: Field[];
  /** Written as empty values when the group is activated. */
  clears: string[];
  /** What does not move by itself. */
  stays: string[];
  /** JSON pointers, or "<Element>" of XML: the first that is there is the answer's code. */
  code: string[];
  ladder: Rule[];
};

export type Rules = {
  version: number;
  common: Record<"shape" | "empty" | "blank" | "long" | "wrong" | "foreign" | "skipped" | "redirect" | "busy" | "down" | "unexpected" | "elsewhere", Outcome> & {
    ours: Record<"pass" | "valet" | "refused" | "served", Outcome>;
    none: Record<NoAnswer, Outcome>;
    /** Of the program alone, which speaks no PostgreSQL. */
    elsewhere: Outcome;
    no_answer: string;
    hidden: string;
  };
  /** A value of that shape belongs only into the fields `home`. */
  foreign: { pattern: string; is: string; home: string[] }[];
  /** Shapes of what valetkey gives out: of every value, or of `of` in `field`. `crc`: and the last six characters are the base62
   * CRC-32 of those before. */
  ours: { pattern: string; crc?: boolean; of?: string; field?: string }[];
  services: Record<ServiceId, Service>;
};

export const KEY_RULES = rules as unknown as Rules;
