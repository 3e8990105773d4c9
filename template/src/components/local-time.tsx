"use client";

import { useSyncExternalStore } from "react";

const never = () => () => undefined;

/** In the reader's own zone; the server, which does not know it, writes UTC. */
export function LocalTime({ iso, edited }: { iso: string; edited: boolean }) {
  const text = useSyncExternalStore(
    never,
    () => format(iso, undefined),
    () => `${format(iso, "UTC")} UTC`,
  );
  return (
    <span className="text-[0.95rem] text-soft">
      <time dateTime={iso}>{text}</time>
      {edited && ", edited"}
    </span>
  );
}

function format(iso: string, timeZone: string | undefined): string {
  return new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZone }).format(new Date(iso));
}
