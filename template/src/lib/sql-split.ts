// Splits a migration into statements. A semicolon ends one, except inside strings, quoted names, comments and the body of
// a trigger (CREATE TRIGGER … BEGIN … END, with CASE … END inside).

export function splitSql(sql: string): string[] {
  const statements: string[] = [];
  let start = 0;
  let words: string[] = [];
  let depth = 0;
  let i = 0;
  const finish = (end: number) => {
    if (words.length > 0) statements.push(sql.slice(start, end).trim());
    words = [];
    depth = 0;
    start = end + 1;
  };
  while (i < sql.length) {
    const c = sql[i]!;
    const skipped = skipOpaque(sql, i);
    if (skipped > i) {
      if (!isComment(sql, i)) words.push(c);
      i = skipped;
    } else if (/[A-Za-z_]/.test(c)) {
      const end = wordEnd(sql, i);
      const word = sql.slice(i, end).toUpperCase();
      words.push(word);
      depth += isTrigger(words) ? blockStep(word) : 0;
      i = end;
    } else {
      if (c === ";" && depth <= 0) finish(i);
      else if (!/\s/.test(c) && c !== ";") words.push(c);
      i++;
    }
  }
  finish(sql.length);
  return statements;
}

function isTrigger(words: string[]): boolean {
  if (words[0] !== "CREATE") return false;
  const kind = words[1] === "TEMP" || words[1] === "TEMPORARY" ? words[2] : words[1];
  return kind === "TRIGGER";
}

function blockStep(word: string): number {
  if (word === "BEGIN" || word === "CASE") return 1;
  return word === "END" ? -1 : 0;
}

function wordEnd(sql: string, from: number): number {
  let i = from;
  while (i < sql.length && /[A-Za-z0-9_$]/.test(sql[i]!)) i++;
  return i;
}

function isComment(sql: string, at: number): boolean {
  return sql.startsWith("--", at) || sql.startsWith("/*", at);
}

/** The index after the string, quoted name or comment that begins at `at`; `at` itself when none does. */
function skipOpaque(sql: string, at: number): number {
  if (sql.startsWith("--", at)) return until(sql, "\n", at + 2);
  if (sql.startsWith("/*", at)) return until(sql, "*/", at + 2);
  const c = sql[at]!;
  if (c === "[") return until(sql, "]", at + 1);
  if (c !== "'" && c !== '"' && c !== "`") return at;
  let i = at + 1;
  while (i < sql.length) {
    if (sql[i] !== c) i++;
    else if (sql[i + 1] === c) i += 2;
    else return i + 1;
  }
  return sql.length;
}

function until(sql: string, end: string, from: number): number {
  const at = sql.indexOf(end, from);
  return at < 0 ? sql.length : at + end.length;
}
