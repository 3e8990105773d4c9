// What an answer says, in the notation of key-rules.ts.
import type { Answer, NoAnswer, Status } from "./key-rules";
import type { Answered } from "./key-send";
import type { Vars } from "./key-vars";

const READ_MAX = 256;

/** An answer that came, none, or the outcome of a test. */
export type Seen = { ok: boolean } | { none: NoAnswer } | (Answered & { text: string; json: unknown; code: string });

export function seen(answered: Answered, codes: string[]): Seen {
  const text = new TextDecoder("utf-8").decode(answered.body);
  const json = parsed(answered.body);
  return { ...answered, text, json, code: answered.code ?? codeOf(codes, text, json) };
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body));
  } catch {
    return undefined;
  }
}

/** Codes are shown, so they are plain words. */
function codeOf(codes: string[], text: string, json: unknown): string {
  for (const where of codes) {
    const code = where.startsWith("<") ? element(text, where) : at(json, where);
    if (code !== undefined && /^[A-Za-z0-9_.-]{1,64}$/.test(code)) return code;
  }
  return "";
}

function element(text: string, open: string): string | undefined {
  const from = text.indexOf(open);
  const to = from < 0 ? -1 : text.indexOf(`</${open.slice(1)}`, from);
  return to < 0 ? undefined : text.slice(from + open.length, to);
}

/** The text of what is at a JSON pointer: a string, a whole number or a truth value; anything else is nothing. */
function at(json: unknown, pointer: string): string | undefined {
  const value = node(json, pointer);
  if (typeof value === "string") return value;
  return typeof value === "boolean" || Number.isSafeInteger(value) ? String(value) : undefined;
}

function node(json: unknown, pointer: string): unknown {
  let value = json;
  for (const part of pointer.split("/").slice(1)) {
    if (typeof value !== "object" || value === null) return undefined;
    if (Array.isArray(value) ? !/^(0|[1-9][0-9]*)$/.test(part) : !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

export function readInto(vars: Vars, read: Record<string, string>, what: Seen): void {
  for (const [name, where] of Object.entries(read)) {
    const value = "status" in what ? readOne(what.text, what.json, what.headers, where) : undefined;
    const usable = value !== undefined && Buffer.byteLength(value) <= READ_MAX && !/[\u0000-\u001f\u007f]/.test(value);
    vars.set(name, usable ? value : "", name.endsWith("_secret") ? "secret" : "plain");
  }
}

function readOne(text: string, json: unknown, headers: Record<string, string>, where: string): string | undefined {
  if (where.startsWith("header:")) return headers[where.slice("header:".length)];
  if (!where.startsWith("word:")) return at(json, where);
  const from = text.indexOf(where.slice("word:".length));
  return from < 0 ? undefined : /^[A-Za-z0-9_]*/.exec(text.slice(from))![0];
}

export function fits(answer: Answer, what: Seen, vars: Vars): boolean {
  if ("ok" in what) return answer.ok === what.ok;
  if ("none" in what) return list(answer.status).includes("none") && (answer.why === undefined || answer.why === what.none);
  const fill = (text: string) => vars.fill(text, "text");
  const all = (where: Record<string, string>, json: unknown) => Object.entries(where).every(([pointer, text]) => at(json, pointer) === fill(text));
  if (answer.status !== undefined && !list(answer.status).some((status) => statusFits(status, what.status))) return false;
  if (answer.code !== undefined && (what.code === "" || !list(answer.code).includes(what.code))) return false;
  if (answer.json && !all(answer.json, what.json)) return false;
  if (answer.has !== undefined && !what.text.includes(answer.has)) return false;
  if (answer.body !== undefined && what.text !== fill(answer.body)) return false;
  for (const [name, texts] of Object.entries(answer.header ?? {})) {
    const value = what.headers[name];
    if (value === undefined || !list(texts).some((text) => fill(text) === value)) return false;
  }
  if (!answer.some) return true;
  const elements = node(what.json, answer.some.in);
  return Array.isArray(elements) && elements.some((element) => all(answer.some!.where, element));
}

function statusFits(wanted: Status, status: number): boolean {
  if (typeof wanted === "number") return wanted === status;
  return wanted !== "none" && Math.floor(status / 100) === Number(wanted[0]);
}

function list<T>(value: T | T[] | undefined): T[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}
