// How often something may happen in this process: `most` times within `perMs`. Kept on globalThis, so that all routes count together.
import "server-only";

export type Rate = { name: string; most: number; perMs: number };

const kept = globalThis as typeof globalThis & { __appRates?: Map<string, number[]> };

/** Seconds until it may happen again; 0: now. */
export function waitOf({ name, most, perMs }: Rate): number {
  const times = recent(name, perMs);
  return times.length < most ? 0 : Math.max(1, Math.ceil((times[times.length - most]! + perMs - performance.now()) / 1000));
}

export function count({ name, perMs }: Rate): void {
  recent(name, perMs).push(performance.now());
}

function recent(name: string, perMs: number): number[] {
  const rates = (kept.__appRates ??= new Map<string, number[]>());
  const times = (rates.get(name) ?? []).filter((at) => at > performance.now() - perMs);
  rates.set(name, times);
  return times;
}
