// The variables of a key check, and the texts that are filled with them (the notation: key-rules.ts).
import type { Condition } from "./key-rules";

/** `path`: its slashes stay in a URL. `origin`: it stands in a URL as it is. */
export type VarKind = "plain" | "path" | "origin" | "secret";
export type FillFor = "text" | "url" | "form" | "json" | "people";

export class Vars {
  readonly #values = new Map<string, { value: string; kind: VarKind }>();

  constructor(private readonly hidden: string) {}

  set(name: string, value: string, kind: VarKind = "plain"): void {
    this.#values.set(name, { value, kind });
  }

  get(name: string): string {
    return this.#values.get(name)?.value ?? "";
  }

  fill(text: string, how: FillFor): string {
    return text.replace(/\{([A-Za-z0-9_]+)\}/g, (_, name: string) => {
      const found = this.#values.get(name);
      if (!found) return "";
      const { value, kind } = found;
      switch (how) {
        case "text":
          return value;
        case "people":
          return kind === "secret" ? this.hidden : value;
        case "json":
          return JSON.stringify(value).slice(1, -1);
        case "form":
          return percent(value, false);
        case "url":
          return kind === "origin" ? value : percent(value, kind === "path");
      }
    });
  }

  holds(condition: Condition): boolean {
    if ("equal" in condition) return this.fill(condition.equal[0], "text") === this.fill(condition.equal[1], "text");
    if ("matches" in condition) return new RegExp(condition.matches[1]).test(this.fill(condition.matches[0], "text"));
    if ("not" in condition) return !this.holds(condition.not);
    if ("all" in condition) return condition.all.every((one) => this.holds(one));
    return condition.any.some((one) => this.holds(one));
  }

  /** For what somebody reads: no secret is in it, wherever it came from. */
  scrub(text: string): string {
    for (const { value, kind } of this.#values.values())
      if (kind === "secret" && value.length >= SHORTEST_SECRET) text = text.replaceAll(value, this.hidden);
    return text;
  }
}

const SHORTEST_SECRET = 6;

/** All but letters, digits and "-._~"; with `slash`, slashes stay. */
export function percent(text: string, slash: boolean): string {
  const encoded = encodeURIComponent(text.toWellFormed()).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return slash ? encoded.replaceAll("%2F", "/") : encoded;
}
