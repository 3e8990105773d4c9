// db diff: what is said of every kind of difference.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { json } from './lib.mjs'

export async function diff(daemon) {
  const token = (await daemon.createBuild('diff')).env.TURSO_AUTH_TOKEN
  const run = async (...all) => { for (const sql of all) await daemon.sql(token, sql) }
  await run('CREATE TABLE n (id INTEGER PRIMARY KEY, body TEXT, x REAL)', "INSERT INTO n VALUES (1, 'a', 1.5), (2, 'b''s', 2), (3, NULL, NULL), (9007199254740993, 'big', 0)",
    'CREATE TABLE loose (a, b)', "INSERT INTO loose VALUES (1, 'x'), (1, 'x'), (NULL, NULL)",
    'CREATE TABLE keyed (a TEXT, b TEXT, v BLOB, PRIMARY KEY (a, b)) WITHOUT ROWID', "INSERT INTO keyed VALUES ('p', 'q', x'00')",
    'CREATE TABLE gone (x)', 'INSERT INTO gone VALUES (1)', 'CREATE TABLE rekeyed (id INTEGER PRIMARY KEY, t TEXT)', "INSERT INTO rekeyed VALUES (1, 'a')",
    'CREATE TABLE "odd "" name" ("a b" TEXT PRIMARY KEY, rowid TEXT)', `INSERT INTO "odd "" name" VALUES ('k', 'r')`,
    'CREATE TABLE gen (id INTEGER PRIMARY KEY, a INT, b INT AS (a * 2) STORED)', 'INSERT INTO gen (a) VALUES (1)',
    `CREATE TABLE wide (id INTEGER PRIMARY KEY, ${Array.from({ length: 900 }, (_, i) => `c${i}`).join()})`, 'INSERT INTO wide (id, c899) VALUES (1, 2)',
    'CREATE VIRTUAL TABLE ft USING fts5(t)', "INSERT INTO ft VALUES ('one')", 'CREATE INDEX n_body ON n(body)', 'CREATE VIEW v AS SELECT 1')
  assertSame((await json(daemon, ['db', 'snapshot', 'diff', '--name', 'then'])).code, 0)

  await check('nothing changed: the same, and said so', async () => {
    const r = await json(daemon, ['db', 'diff', 'diff', 'then'])
    assertSame([r.code, r.out.same, r.out.schema, r.out.tables.every((t) => t.added + t.removed + t.changed === 0)], [0, true, [], true])
    assert((await daemon.mustCli(['db', 'diff', 'diff', 'then'])).includes('is what it was at the snapshot then'), 'for people')
  })

  await run("UPDATE n SET body = 'changed', x = 1 WHERE id = 1", 'DELETE FROM n WHERE id = 2', `INSERT INTO n VALUES (4, '${'long'.repeat(100)}', NULL)`, "UPDATE n SET body = 'bigger' WHERE id > 100",
    'INSERT INTO loose VALUES (5, 6)', 'DELETE FROM loose WHERE rowid = 2', "UPDATE keyed SET v = x'0102'", "INSERT INTO keyed VALUES ('P', 'q', NULL)",
    'DROP TABLE gone', 'CREATE TABLE fresh (x)', 'INSERT INTO fresh VALUES (1), (2)', 'DROP TABLE rekeyed', 'CREATE TABLE rekeyed (t TEXT PRIMARY KEY)', "INSERT INTO rekeyed VALUES ('a'), ('b')",
    `UPDATE "odd "" name" SET rowid = char(27) || 'x'`, 'UPDATE gen SET a = 7', 'UPDATE wide SET c899 = 3', "INSERT INTO ft VALUES ('two')", 'DROP INDEX n_body', 'CREATE INDEX n_x ON n(x)', 'ALTER TABLE loose ADD COLUMN c DEFAULT 3')

  await check('schema and rows, by kind, with the numbers right', async () => {
    const { out } = await json(daemon, ['db', 'diff', 'diff', 'then', '--rows', '10'])
    const schema = out.schema.map((s) => `${s.change} ${s.type} ${s.name}`).sort()
    assertSame(schema, ['added index n_x', 'added table fresh', 'changed table loose', 'changed table rekeyed', 'removed index n_body', 'removed table gone'])
    const t = Object.fromEntries(out.tables.map((x) => [x.name, x]))
    const numbers = (x) => [x.added, x.removed, x.changed]
    assertSame(numbers(t.n), [1, 1, 2])
    assertSame(t.n.examples.changed, [{ key: { id: 1 }, from: { body: 'a', x: 1.5 }, to: { body: 'changed', x: 1 } }, { key: { id: { integer: '9007199254740993' } }, from: { body: 'big' }, to: { body: 'bigger' } }])
    assertSame([t.n.examples.removed, t.n.examples.added[0].body.length], [[{ id: 2, body: "b's", x: 2 }], 201])
    assertSame([numbers(t.loose), t.loose.key], [[1, 1, 0], ['rowid']], 'a new column is a matter of the schema')
    assertSame([numbers(t.keyed), t.keyed.examples.changed], [[1, 0, 1], [{ key: { a: 'p', b: 'q' }, from: { v: { blob: 1 } }, to: { v: { blob: 2 } } }]], 'keys are told apart byte by byte')
    assertSame([t.gone.from, t.gone.to, t.fresh.from, t.fresh.to], [1, null, null, 2])
    assertSame([t.rekeyed.compared, t.rekeyed.from, t.rekeyed.to], [false, 1, 2])
    assertSame([numbers(t['odd " name']), t['odd " name'].examples.changed[0].to], [[0, 0, 1], { rowid: '\u001bx' }])
    assertSame([numbers(t.gen), t.gen.examples.changed[0].to], [[0, 0, 1], { a: 7 }])
    assertSame([numbers(t.wide), t.wide.examples.changed[0].to], [[0, 0, 1], { c899: 3 }])
    assert(!('ft_data' in t) && !('ft' in t), 'tables of a virtual table are its own business')
    assertSame([out.same, out.truncated], [false, false])
  })

  await check('for people: as SQL, with names and values quoted, and nothing that steers a terminal', async () => {
    const text = await daemon.mustCli(['db', 'diff', 'diff', 'then', '--rows', '1'])
    for (const line of ['+ CREATE TABLE fresh (x);', '- DROP', 'fresh: new, 2 rows', 'gone: gone, with 1 row', 'n: 1 added, 1 removed, 2 changed (4 rows, now 4)', "  - DELETE FROM n WHERE id = 2;  -- was id = 2, body = 'b''s', x = 2.0",
      "  ~ UPDATE n SET body = 'changed', x = 1.0 WHERE id = 1;  -- was body = 'a', x = 1.5", '… and 1 more changed', "\\x1bx'", 'UPDATE "odd "" name" SET rowid ='])
      if (line !== '- DROP') assert(text.includes(line) || text.includes(line.replaceAll('.0', '')), `${line} is not in:\n${text}`)
    assert(!text.includes('\x1b'), 'an escape')
  })

  await check('between two snapshots, and back; other builds’ snapshots are unknown here', async () => {
    assertSame((await json(daemon, ['db', 'snapshot', 'diff', '--name', 'later'])).code, 0)
    await run('DELETE FROM n')
    const to = await json(daemon, ['db', 'diff', 'diff', 'then', '--to', 'later', '--rows', '0'])
    assertSame([to.out.tables.find((x) => x.name === 'n').removed, to.out.to.name, to.out.tables.find((x) => x.name === 'n').examples], [1, 'later', {}])
    const back = await json(daemon, ['db', 'diff', 'diff', 'later', '--to', 'then'])
    assertSame(back.out.tables.find((x) => x.name === 'gone').to, 1)
    const other = (await daemon.createBuild('diff-other')).env.TURSO_AUTH_TOKEN
    await daemon.sql(other, 'CREATE TABLE x (y)')
    for (const args of [['diff', 'diff-other', 'then'], ['restore', 'diff-other', 'then'], ['restore', 'diff-other', to.out.from.id], ['snapshots', 'diff-other', '--delete', 'then']])
      assertSame((await json(daemon, ['db', ...args])).error.code, 'not_found', args.join(' '))
    assertSame((await json(daemon, ['db', 'snapshots', 'diff'])).out.snapshots.length, 2)
  })
}
