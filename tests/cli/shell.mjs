// db shell, from a pipe.
import { check, assert, assertSame } from '../lib/tap.mjs'

export async function shell(daemon) {
  await daemon.createBuild('shell')
  const sql = (input, args = []) => daemon.cli(['db', 'shell', 'shell', ...args], { input })
  const json = async (input) => (await sql(input, ['--json'])).stdout.trim().split('\n').filter(Boolean).map((l) => JSON.parse(l))

  await check('tables are aligned, numbers to the right, by the width that characters have', async () => {
    const r = await sql("CREATE TABLE u(id INTEGER PRIMARY KEY, name TEXT);INSERT INTO u VALUES (1,'Zoë ☃'),(22,'漢字'),(333,NULL);SELECT * FROM u;")
    assertSame([r.code, r.stderr], [0, ''])
    assertSame(r.stdout, ' id  name\n---  -----\n  1  Zoë ☃\n 22  漢字\n333  NULL\n')
  })

  await check('what is in a value cannot steer the terminal', async () => {
    const r = await sql("SELECT 'a' || char(27) || '[31m' || char(10) || char(7) AS x;")
    assert(!r.stdout.includes('\x1b') && !r.stdout.includes('\x07') && r.stdout.includes('a\\x1b[31m\\n\\x07'), JSON.stringify(r.stdout))
  })

  await check('--json: one line a statement, integers exact, every kind of value', async () => {
    const [a] = await json("SELECT 9007199254740993 AS big, 1.5 AS f, NULL AS n, 'x' AS t, x'00ff' AS b;")
    assertSame([a.columns, a.rows[0].f, a.rows[0].n, a.rows[0].t], [['big', 'f', 'n', 't', 'b'], 1.5, null, 'x'])
    assert((await sql('SELECT 9007199254740993 AS big;', ['--json'])).stdout.includes('"big":9007199254740993'), 'all digits')
    const [ins] = await json('CREATE TABLE IF NOT EXISTS c(a); ') // one line for the statement, none for the blank
    assertSame(ins.columns, [])
  })

  await check('statements over several lines, several on one, comments, quotes, a trigger, none after the last', async () => {
    const out = await json("-- one; two\nSELECT\n 1 AS a;SELECT ';' AS b; /* ; */ CREATE TEMP TABLE IF NOT EXISTS z(a);CREATE TABLE tr(a);CREATE TRIGGER g AFTER INSERT ON tr BEGIN DELETE FROM tr WHERE a < 0; END;\nSELECT 2 AS c")
    const rows = out.filter((x) => x.rows?.length).map((x) => x.rows[0])
    assert(rows.some((r) => r.a === 1) && rows.some((r) => r.b === ';'), JSON.stringify(out))
  })

  await check('a transaction spans statements; one left open is rolled back and said so', async () => {
    await sql('CREATE TABLE x(a);')
    const r = await sql('BEGIN; INSERT INTO x VALUES (1); SELECT count(*) AS n FROM x;')
    assert(r.stderr.includes('rolled back') && r.stdout.includes('1'), r.stderr)
    const [after] = await json('SELECT count(*) AS n FROM x;')
    assertSame(after.rows, [{ n: 0 }], 'rolled back')
    await sql('BEGIN; INSERT INTO x VALUES (1); INSERT INTO x VALUES (2); COMMIT;')
    await sql('BEGIN; INSERT INTO x VALUES (3); SAVEPOINT s; INSERT INTO x VALUES (4); ROLLBACK TO s; COMMIT;')
    const [end] = await json('SELECT count(*) AS n FROM x;')
    assertSame(end.rows, [{ n: 3 }], 'committed')
  })

  await check('the first error ends a script: its line, exit 1, nothing after it runs', async () => {
    const r = await sql('SELECT 1 AS a;\n\nSELEC 2;\nCREATE TABLE never(a);')
    assertSame(r.code, 1)
    assert(/Line 3: .*SELEC/.test(r.stderr), r.stderr)
    const [t] = await json("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'never';")
    assertSame(t.rows, [{ n: 0 }])
    const j = await sql('SELEC 2;', ['--json'])
    assertSame(j.code, 1)
    assert(JSON.parse(j.stdout).error.message.includes('SELEC'), j.stdout)
  })

  await check('.tables, .schema, .help, .quit; an unknown one is an error', async () => {
    const r = await sql('.tables\n.schema u\n.help\n.quit\nSELECT 1;\n')
    assertSame(r.code, 0)
    assert(/u +table/.test(r.stdout) && r.stdout.includes('CREATE TABLE u(id INTEGER PRIMARY KEY, name TEXT);') && r.stdout.includes('.quit'), r.stdout)
    assertSame((await sql('.drop\n')).code, 1)
    assertSame((await sql(".schema x' OR 1=1 --\n")).stdout, '', 'a quote in a name is a quote')
  })

  await check('a revoked build has no shell', async () => {
    await daemon.createBuild('shell2')
    await daemon.mustCli(['build', 'revoke', 'shell2'])
    const r = await daemon.cli(['db', 'shell', 'shell2'], { input: 'SELECT 1;' })
    assertSame(r.code, 1)
    assert(r.stderr.includes('is revoked'), r.stderr)
  })
}
