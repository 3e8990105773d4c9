// Where the keyboard and the screen reader are after the whole page has become another one: at its heading, not nowhere.
import { useEffect, useRef, type RefObject } from "react";

let wanted = false;

/** The next heading that appears gets the focus. */
export function focusNextTitle(): void {
  wanted = true;
}

/** For a heading with tabIndex -1. A page that was only loaded leaves the focus alone. */
export function useTitleFocus(): RefObject<HTMLHeadingElement | null> {
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (wanted) title.current?.focus();
    wanted = false;
  }, []);
  return title;
}
