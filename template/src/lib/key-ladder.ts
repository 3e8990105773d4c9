// Runs the checks of key-rules.json over what somebody typed. Everything that it does to the world goes through `tools`.
import { fits, readInto, seen, type Seen } from "./key-answers";
import { setFacts } from "./key-facts";
import { isListed, isValet } from "./key-ours";
import type { Call, Field, NoAnswer, Outcome, Rule, Rules, Service } from "./key-rules";
import type { Ask, Send } from "./key-send";
import { signed } from "./key-sign";
import type { Check, KeyValues, ServiceId, ServiceReport, UserKeys, ValidationResult } from "./key-types";
import { percent, Vars } from "./key-vars";

const VALUE_MAX = 4096;
/** After that nobody is asked any more, but for what takes away what was written. The call that is under way then, and these, come on top. */
const LADDER_WITHIN_MS = 45_000;

/** `send` for https, `postgres` for the method "SQL". `refused`: the keys that the app was built with, as VALETKEY_REFUSED_KEYS has them.
 * `origin`: where browsers have the app. `withinMs`: how long vendors are asked, however many calls are left. */
export type Tools = { send: Send; postgres: Send; now: () => Date; random: (bytes: number) => Uint8Array; refused?: string; origin?: string; withinMs?: number };

export async function runLadders(rules: Rules, keys: UserKeys, tools: Tools): Promise<ValidationResult> {
  const wanted = (Object.keys(rules.services) as ServiceId[]).filter((service) => keys[service]);
  const reports = await Promise.all(wanted.map((service) => new Ladder(rules, service, keys[service]!, tools).run()));
  return Object.fromEntries(reports.map((report) => [report.service, report]));
}

type Done = { check: Check; required: boolean };

class Ladder {
  readonly #service: Service;
  readonly #vars: Vars;
  readonly #fields: Field[];
  readonly #done: Done[] = [];
  /** Checks that ended unknown, and for which another one has passed. */
  readonly #settled = new Set<string>();
  /** Checks whose call was made. */
  readonly #asked = new Set<string>();
  readonly #began = performance.now();

  constructor(
    private readonly rules: Rules,
    private readonly id: ServiceId,
    values: KeyValues,
    private readonly tools: Tools,
  ) {
    this.#service = rules.services[id];
    this.#vars = new Vars(rules.common.hidden);
    for (const { env, secret } of this.#service.fields) this.#vars.set(env, String(values[env] ?? ""), secret ? "secret" : "plain");
    this.#vars.set("vendor", this.#service.vendor);
    this.#vars.set("origin", tools.origin ?? "");
    setFacts(id, this.#vars, tools.now(), Buffer.from(tools.random(16)).toString("hex"));
    this.#fields = this.#service.fields.filter(({ when }) => !when || this.#vars.holds(when));
  }

  async run(): Promise<ServiceReport> {
    for (const rule of this.#service.ladder) await this.#step(rule);
    const counting = this.#done.filter(({ check, required }) => required && !passed(check) && !this.#settled.has(check.id));
    const failed = counting.find(({ check }) => check.verdict === "fail");
    const mode = this.#service.mode === null ? "" : this.#vars.fill(this.#service.mode, "text");
    return {
      service: this.id,
      valid: counting.length === 0,
      unverified: counting.length > 0 && !failed,
      error: (failed ?? counting[0])?.check.say ?? null,
      mode: mode === "test" || mode === "live" ? mode : null,
      checks: this.#done.map(({ check }) => check),
    };
  }

  async #step(rule: Rule): Promise<void> {
    if (rule.when && !this.#vars.holds(rule.when)) return;
    if (rule.instead !== undefined && !this.#of(rule.instead).some(({ check }) => check.verdict === "unknown")) return;
    const may = (rule.needs ?? []).every((id) => this.#settled.has(id) || this.#of(id).every(({ check }) => passed(check)));
    const begun = !rule.after || rule.after.some((id) => this.#asked.has(id) && !this.#of(id).some(({ check }) => check.verdict === "fail"));
    if (!may || !begun) return this.#add(rule, this.rules.common.skipped);
    if (rule.code === "fields") return this.#eachField(rule, (field) => this.#wrongShape(field), this.rules.common.shape);
    if (rule.code === "ours") return this.#eachField(rule, (field) => this.#notTheirs(field), this.rules.common.ours.pass);
    if (rule.call) return this.#ask(rule, rule.call);
    const what: Seen = { ok: !rule.test || this.#vars.holds(rule.test) };
    this.#add(rule, rule.answers?.find((answer) => fits(answer, what, this.#vars)) ?? this.rules.common.unexpected);
  }

  #of(id: string): Done[] {
    return this.#done.filter(({ check }) => check.id === id);
  }

  #eachField(rule: Rule, wrong: (field: Field) => Outcome | undefined, right: Outcome): void {
    let good = true;
    for (const field of this.#fields) {
      this.#vars.set("label", field.label);
      this.#vars.set("error", field.error);
      const outcome = wrong(field);
      if (outcome) this.#add({ ...rule, field: field.env }, outcome);
      good &&= !outcome;
    }
    if (good) this.#add(rule, right);
  }

  #wrongShape({ env, optional, pattern }: Field): Outcome | undefined {
    const { common, foreign } = this.rules;
    const value = this.#vars.get(env);
    if (value === "") return optional ? undefined : common.empty;
    if (value.length > VALUE_MAX) return common.long;
    if (!/^[!-~]+$/.test(value)) return common.blank;
    const other = foreign.find(({ pattern: theirs, home }) => !home.includes(env) && new RegExp(theirs).test(value));
    this.#vars.set("is", other?.is ?? "");
    if (other) return common.foreign;
    return new RegExp(pattern).test(value) ? undefined : common.wrong;
  }

  #notTheirs({ env }: Field): Outcome | undefined {
    const { ours } = this.rules.common;
    const value = this.#vars.get(env);
    if (value === "") return undefined;
    if (isValet(this.rules.ours, this.#vars, env)) return ours.valet;
    return isListed(this.tools.refused, value) ? ours.refused : undefined;
  }

  async #ask(rule: Rule, call: Call): Promise<void> {
    const { common } = this.rules;
    const url = this.#vars.fill(call.url, "url");
    this.#vars.set("host", hostOf(url));
    const began = performance.now();
    const late = began - this.#began >= (this.tools.withinMs ?? LADDER_WITHIN_MS) && !rule.after;
    const what: Seen = late ? { none: "timeout" } : await this.#send(rule, call, url);
    const ms = Math.round(performance.now() - began);
    if (!late) this.#asked.add(rule.id);
    this.#vars.set("status", "status" in what ? String(what.status) : "");
    this.#vars.set("code", "status" in what ? what.code : "");
    this.#vars.set("kind", "none" in what ? what.none : "");
    readInto(this.#vars, rule.read ?? {}, what);
    const ours = "status" in what && what.headers["valetkey-served-by"] !== undefined;
    const outcome = ours ? common.ours.served : (rule.answers?.find((answer) => fits(answer, what, this.#vars)) ?? this.#usual(what));
    const answer = "status" in what ? [String(what.status), what.code].filter(Boolean).join(" ") : this.#vars.fill(common.no_answer, "people");
    this.#add(ours ? { ...rule, required: true } : rule, outcome, { call: `${call.method} ${url.split("?")[0]}`, answer, ms });
    if (rule.instead !== undefined && passed(outcome)) this.#settled.add(rule.instead);
  }

  async #send(rule: Rule, call: Call, url: string): Promise<Seen> {
    const got = call.method === "SQL" ? await this.tools.postgres(this.#statement(rule, call)) : await this.tools.send(await this.#request(call, url));
    return "none" in got ? got : seen(got, this.#service.code);
  }

  #statement({ field }: Rule, { body = "" }: Call): Ask {
    return { method: "SQL", url: this.#vars.get(field ?? ""), headers: {}, body: this.#vars.fill(body, "json") };
  }

  async #request(call: Call, url: string): Promise<Ask> {
    const ask: Ask = { method: call.method, url, headers: {} };
    for (const [name, text] of Object.entries(call.headers ?? {})) ask.headers[name] = this.#vars.fill(text, "text");
    if (call.body !== undefined) ask.body = this.#vars.fill(call.body, "json");
    if (call.form) {
      ask.headers["content-type"] = "application/x-www-form-urlencoded";
      ask.body = Object.entries(call.form)
        .map(([name, text]) => `${percent(name, false)}=${percent(this.#vars.fill(text, "text"), false)}`)
        .join("&");
    }
    if (call.auth?.startsWith("bearer:")) ask.headers["authorization"] = `Bearer ${this.#vars.get(call.auth.slice("bearer:".length))}`;
    if (call.auth !== "s3") return ask;
    const keys = { id: this.#vars.get("R2_ACCESS_KEY_ID"), secret: this.#vars.get("R2_SECRET_ACCESS_KEY"), region: this.#vars.get("s3_region") };
    return signed(ask, keys, this.tools.now());
  }

  /** For what no check has an answer of its own. */
  #usual(what: Seen): Outcome {
    const { common } = this.rules;
    if ("none" in what) return common.none[what.none as NoAnswer];
    const status = "status" in what ? what.status : 0;
    if (status >= 300 && status < 400) return common.redirect;
    if (status === 429) return common.busy;
    return status >= 500 && status < 600 ? common.down : common.unexpected;
  }

  #add({ id, rung, field, required = true }: Rule, { verdict, say, fix }: Outcome, asked: Partial<Check> = {}): void {
    const people = (text: string) => this.#vars.scrub(this.#vars.fill(text, "people"));
    const check: Check = { id, rung, verdict, say: people(say) };
    if (fix !== undefined) check.fix = people(fix);
    if (field !== undefined) check.field = field;
    if (asked.call !== undefined) check.call = this.#vars.scrub(asked.call);
    if (asked.answer !== undefined) check.answer = this.#vars.scrub(asked.answer);
    if (asked.ms !== undefined) check.ms = asked.ms;
    this.#done.push({ check, required });
  }
}

function passed({ verdict }: { verdict: string }): boolean {
  return verdict === "pass" || verdict === "limited";
}

/** Without its port; of "https://[::1]/" it is "::1". */
function hostOf(url: string): string {
  return /^[a-z]+:\/\/(?:\[([^\]]*)\]|([^/:?]*))/.exec(url)?.slice(1).find(Boolean) ?? "";
}
