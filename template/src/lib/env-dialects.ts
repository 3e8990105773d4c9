// Env files for the programs that read them. No quoting style is read alike by all: a value of plain characters stays bare, which all
// read alike; the rest gets the style of its dialect, and is read back before the file is given to anybody. `valetkey env` writes the same.
import { fitsLine } from "./env-file";

export const ENV_FORMATS = ["next", "dotenv", "node", "shell", "docker", "systemd", "json"] as const;
export type EnvFormat = (typeof ENV_FORMATS)[number];

/** A line of the file: a variable, or a remark. */
export type EnvEntry = { name: string; value: string } | { remark: string };

type Dialect = { program: string; line: (name: string, value: string) => string | null; read: (line: string) => string | null };

const PLAIN = /^[A-Za-z0-9_./:@%+,=-]*$/;

const DIALECTS: Record<Exclude<EnvFormat, "json">, Dialect> = {
  next: {
    program: "Next.js",
    line: (name, value) => (PLAIN.test(value) ? `${name}=${value}` : /['\\#]/.test(value) ? null : `${name}='${value.replaceAll("$", "\\$")}'`),
    read: (line) => unquoted(line)?.replaceAll("\\$", "$") ?? null,
  },
  dotenv: { program: "dotenv", line: quoted, read: unquoted },
  node: { program: "node --env-file", line: quoted, read: unquoted },
  shell: {
    program: "a shell (. FILE)",
    line: (name, value) => `export ${name}='${value.replaceAll("'", `'\\''`)}'`,
    read: (line) => readShell(line.replace(/^export [^=]+=/, "")),
  },
  docker: { program: "docker --env-file", line: (name, value) => `${name}=${value}`, read: (line) => line.slice(line.indexOf("=") + 1) },
  systemd: {
    program: "systemd (EnvironmentFile=)",
    line: (name, value) => (PLAIN.test(value) ? `${name}=${value}` : `${name}="${value.replace(/["\\`$]/g, "\\$&")}"`),
    read: (line) => {
      const raw = line.slice(line.indexOf("=") + 1);
      return raw.startsWith('"') ? (/^"((?:\\["\\`$]|[^"\\])*)"$/.exec(raw)?.[1]?.replace(/\\(.)/g, "$1") ?? null) : raw;
    },
  },
};

/** Throws where a value cannot be written so; the message names the variable, never its value. */
export function envFileOf(format: EnvFormat, entries: readonly EnvEntry[]): string {
  if (format === "json") {
    const pairs = entries.flatMap((entry) => ("name" in entry ? [[entry.name, entry.value] as const] : []));
    return `${JSON.stringify(Object.fromEntries(pairs), null, 2)}\n`;
  }
  const { program, line, read } = DIALECTS[format];
  const lines = entries.map((entry) => {
    if (!("name" in entry)) return `# ${entry.remark}`;
    const text = fitsLine(entry.value) ? line(entry.name, entry.value) : null;
    if (text === null || read(text) !== entry.value) throw new EnvFormatError(entry.name);
    return text;
  });
  return [`# For ${program}.`, ...lines, ""].join("\n");
}

export class EnvFormatError extends Error {
  constructor(name: string) {
    super(`The value of ${name} holds what this format cannot carry; choose JSON.`);
    this.name = "EnvFormatError";
  }
}

function quoted(name: string, value: string): string | null {
  if (PLAIN.test(value)) return `${name}=${value}`;
  return /['\\]/.test(value) ? null : `${name}='${value}'`;
}

function unquoted(line: string): string | null {
  const raw = line.slice(line.indexOf("=") + 1);
  if (raw.startsWith("'")) return /^'([^']*)'$/.exec(raw)?.[1] ?? null;
  return PLAIN.test(raw) ? raw : null;
}

/** What a POSIX shell makes of quoted pieces without a blank between them. */
function readShell(raw: string): string | null {
  let out = "";
  for (let left = raw; left !== ""; ) {
    const piece = /^(?:'([^']*)'|\\(.))/.exec(left);
    if (!piece) return null;
    out += piece[1] ?? piece[2]!;
    left = left.slice(piece[0].length);
  }
  return out;
}
