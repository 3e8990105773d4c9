"use client";

import { useSyncExternalStore, type ReactNode } from "react";

const never = () => () => undefined;

/** What only a browser can show, like the sign-in service's forms: the server and the first paint show `fallback`. */
export function AfterHydration({ fallback = null, children }: { fallback?: ReactNode; children: ReactNode }) {
  const here = useSyncExternalStore(
    never,
    () => true,
    () => false,
  );
  return here ? children : fallback;
}
