// Shared by server and browser.
export const UPLOAD_MAX = 25_000_000; // straight to the storage
export const SMALL_MAX = 1_000_000; // through the app, which has it in memory
export const NAME_MAX = 200;

export type FileKind = { type: string; ends: readonly string[] };

/** What may be uploaded. Nothing that a browser runs: no HTML, no SVG. */
export const KINDS: readonly FileKind[] = [
  { type: "application/pdf", ends: ["pdf"] },
  { type: "application/zip", ends: ["zip"] },
  { type: "application/json", ends: ["json"] },
  { type: "audio/mpeg", ends: ["mp3"] },
  { type: "image/gif", ends: ["gif"] },
  { type: "image/jpeg", ends: ["jpg", "jpeg"] },
  { type: "image/png", ends: ["png"] },
  { type: "image/webp", ends: ["webp"] },
  { type: "text/csv", ends: ["csv"] },
  { type: "text/plain", ends: ["txt", "md"] },
  { type: "video/mp4", ends: ["mp4"] },
];
export const ENDS = KINDS.flatMap((kind) => kind.ends);

export type FileView = {
  id: number;
  name: string;
  size: number;
  createdAt: string;
  mine: boolean;
  shared: boolean; // with everybody
  open: boolean; // for whoever asks: shared, their own, or paid
  product: { slug: string; name: string; priceCents: number; currency: string } | null;
};
/** Whom a file is for: its owner alone, everybody, or who paid for a product. */
export type Audience = { shared: boolean; product: string | null };
export type FilePage = { mine: FileView[]; others: FileView[] };
export type Begun = { id: number; upload: { url: string; headers: Record<string, string> } };

/** "1.5 MB" */
export function bytes(size: number): string {
  if (size < 1000) return `${size} B`;
  const [unit, by] = size < 999_950 ? ["kB", 1e3] : ["MB", 1e6];
  return `${(size / by).toFixed(1).replace(/\.0$/, "")} ${unit}`;
}

/** The refusal of a file that is too large; the server and the page say the same. */
export function tooLarge(size: number, most: number): string {
  return `This file is too large: ${bytes(size)}. At most ${bytes(most)} can be uploaded${most === SMALL_MAX ? " through the app" : ""}.`;
}
