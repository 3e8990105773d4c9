// The file format of `.env.keys`: NAME=value lines, values bare, in single quotes (taken as they are) or in double
// quotes (\n, \r, \t, \" and \\ are escapes). Later lines win.

const LINE = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$/;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const BARE = /^[A-Za-z0-9_./:@%+,=-]*$/;
const ESCAPES: Record<string, string> = { n: "\n", r: "\r", t: "\t" };

export function parseEnvFile(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const match = LINE.exec(line);
    if (match) values.set(match[1]!, parseValue(match[2]!));
  }
  return values;
}

/** `text` with these names set, or taken out (null): where a name stands already, its line is replaced, and all other lines stay as they
 * are. Throws where `envLine` does. */
export function updateEnvFile(text: string, changes: ReadonlyMap<string, string | null>): string {
  const left = new Map(changes);
  const lines: string[] = [];
  const push = (name: string, value: string | null) => void (value !== null && lines.push(envLine(name, value)));
  for (const line of text.split(/\r?\n/)) {
    const name = LINE.exec(line)?.[1];
    if (name === undefined || !changes.has(name)) {
      lines.push(line);
    } else if (left.has(name)) {
      push(name, left.get(name) ?? null);
      left.delete(name);
    } // a further line of that name would win
  }
  while (lines.at(-1) === "") lines.pop();
  for (const [name, value] of left) push(name, value);
  return lines.join("\n") + "\n";
}

/** One line that `parseEnvFile` reads back. Throws on what a line cannot hold; the message names the variable, never its value. */
export function envLine(name: string, value: string): string {
  if (!NAME.test(name)) throw new Error("This is no name for an environment variable.");
  if (!fitsLine(value)) throw new Error(`The value of ${name} holds a line break or another control character.`);
  return BARE.test(value) ? `${name}=${value}` : `${name}='${value.replaceAll("'", `'\\''`)}'`;
}

/** False for what ends a line somewhere, or is no text. */
export function fitsLine(value: string): boolean {
  return !/[\u0000-\u001f\u007f\u0085\u2028\u2029\ufeff]/.test(value) && !/\p{Surrogate}/u.test(value);
}

function parseValue(raw: string): string {
  if (raw.length >= 2 && raw.startsWith("'") && raw.endsWith("'")) return raw.slice(1, -1).replaceAll(`'\\''`, "'");
  if (raw.length >= 2 && raw.startsWith('"') && raw.endsWith('"'))
    return raw.slice(1, -1).replace(/\\(.)/g, (_, c: string) => ESCAPES[c] ?? c);
  const comment = raw.search(/\s#/);
  return comment < 0 ? raw : raw.slice(0, comment).trimEnd();
}
