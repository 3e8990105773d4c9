"use client";

import { useEffect, useState } from "react";

const LATE_AFTER_MS = 4_000;

/** Until the sign-in service has sent its form; the SDK tries for a while, so people are told before it gives up. */
export function FormComes() {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), LATE_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
  if (!late)
    return (
      <p role="status" className="py-16 text-soft">
        The form is on its way…
      </p>
    );
  return (
    <p role="alert" className="max-w-md rounded-md bg-alarm-tint px-4 py-3 text-alarm">
      The sign-in service does not answer this browser. Check that it runs, then load this page again.
    </p>
  );
}
