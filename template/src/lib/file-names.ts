// Names of files: what kind one is, what its object is called, and how a download gets its name back.
import { KINDS, type FileKind } from "./file-types";

/** By the end of its name; undefined: a kind that this app does not take. What the browser says about the type does not count. */
export function kindOf(name: string): FileKind | undefined {
  const dot = name.lastIndexOf(".");
  return dot < 1 ? undefined : KINDS.find((kind) => kind.ends.includes(name.slice(dot + 1).toLowerCase()));
}

/** The last part of a key: letters, digits, `_`, `-` and single dots, at most 80 of them; the end of the name stays. */
export function safeName(name: string): string {
  const plain = name.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").replace(/[^A-Za-z0-9_.-]+/g, "-").replace(/\.{2,}/g, ".");
  return plain.slice(-80).replace(/^[-.]+/, "") || "file";
}

/** RFC 6266: the name as it is for today's browsers, and one in ASCII for the others. */
export function contentDisposition(name: string): string {
  const ascii = name.replace(/[^\x20-\x7e]|["\\%]/g, "_");
  const encoded = encodeURIComponent(name).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
