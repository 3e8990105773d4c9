// What a card said, over a reload of the page. It holds a report, never a key.
import type { ServiceId } from "@/lib/key-types";
import type { Sent } from "./service-card";

const NAME = "settings-outcome";

export function keep(service: ServiceId, sent: Sent): void {
  if (sent.answer?.block === undefined) sessionStorage.setItem(NAME, JSON.stringify({ [service]: sent }));
}

/** Once, in the browser. */
export function takeKept(): Partial<Record<ServiceId, Sent>> {
  const text = sessionStorage.getItem(NAME);
  sessionStorage.removeItem(NAME);
  return text ? (JSON.parse(text) as Partial<Record<ServiceId, Sent>>) : {};
}
