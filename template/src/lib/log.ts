import "server-only";

const EVERY_MS = 60_000;

/** A log of one subject: a service that stays away does not fill it, the same line comes once a minute. */
export function quietLog(subject: string): (text: string) => void {
  let last = { text: "", at: -Infinity };
  return (text) => {
    if (text === last.text && performance.now() - last.at < EVERY_MS) return;
    last = { text, at: performance.now() };
    console.error(`${subject}: ${text}`);
  };
}
