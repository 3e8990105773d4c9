// Runs app.mjs and refused.mjs as apps of builds; then takes a build's database as a file and asks another SQLite about it.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { assert, assertSame, check, finish, note } from '../lib/tap.mjs'
import { Daemon, cleanUp, portBase, run, tempFolder, withChecksum } from '../lib/daemon.mjs'
import { install, script } from '../lib/project.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const daemon = new Daemon({ portBase: await portBase() })

async function downloaded() {
  const build = await daemon.createBuild('whole')
  const sql = (text) => daemon.sql(build.env.TURSO_AUTH_TOKEN, text)
  const file = path.join(tempFolder(), 'whole.db')
  const sqlite = async (text) => {
    const r = await run('sqlite3', ['-batch', file], { input: text })
    assert(r.code === 0 && r.stderr === '', `sqlite3: exit ${r.code}: ${r.stderr}`)
    return r.stdout.trim()
  }
  await check('download: a build with full-text search, generated columns, a partial index, a trigger and a view', async () => {
    await sql('CREATE TABLE price(id INTEGER PRIMARY KEY, net REAL NOT NULL, tax REAL GENERATED ALWAYS AS (net * 0.2) STORED, gross REAL AS (net + net * 0.2) VIRTUAL)')
    await sql('CREATE INDEX dear ON price(gross) WHERE gross > 100')
    await sql("CREATE VIRTUAL TABLE words USING fts5(title, body, tokenize = 'porter unicode61')")
    await sql('CREATE VIEW totals AS SELECT count(*) AS n, sum(gross) AS gross FROM price')
    await sql('CREATE TABLE told(id INTEGER)')
    await sql('CREATE TRIGGER tell AFTER INSERT ON price BEGIN INSERT INTO told VALUES (new.id); END')
    await sql('WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 2000) INSERT INTO price(net) SELECT n FROM c')
    await sql("INSERT INTO words SELECT 'price ' || id, 'running costs' FROM price")
    await sql("INSERT INTO words VALUES ('Zürich', 'he runs along the Straße')")
    await daemon.mustCli(['db', 'download', 'whole', '--out', file])
    assertSame(fs.statSync(file).mode & 0o777, 0o600)
  })
  await check("download: the distribution's sqlite3 finds it intact", async () => assertSame(await sqlite('PRAGMA integrity_check;'), 'ok'))
  await check('download: generated columns, their index and the view', async () => {
    assertSame(await sqlite('SELECT tax, gross FROM price WHERE id = 500; SELECT count(*) FROM price WHERE gross > 100; SELECT n FROM totals;'), '100.0|600.0\n1917\n2000')
    assert(/dear/.test(await sqlite('EXPLAIN QUERY PLAN SELECT id FROM price WHERE gross > 100;')), 'the partial index is used')
  })
  await check('download: full-text search, its index whole', async () => {
    assertSame(await sqlite("INSERT INTO words(words) VALUES ('integrity-check'); SELECT count(*) FROM words WHERE words MATCH 'run'; SELECT title FROM words WHERE words MATCH 'zurich';"), '2001\nZürich')
  })
  await check('download: it can be written on, trigger included', async () => {
    assertSame(await sqlite("INSERT INTO price(net) VALUES (7); SELECT tax FROM price WHERE id = 2001; SELECT count(*) FROM told; PRAGMA integrity_check;"), '1.4\n2001\nok')
  })
  await check('a full-text index that triggers keep, as the documentation of FTS5 shows it', async () => {
    await sql('CREATE TABLE post(id INTEGER PRIMARY KEY, body TEXT)')
    await sql("CREATE VIRTUAL TABLE post_words USING fts5(body, content = 'post', content_rowid = 'id')")
    await sql('CREATE TRIGGER post_ai AFTER INSERT ON post BEGIN INSERT INTO post_words(rowid, body) VALUES (new.id, new.body); END')
    await sql("INSERT INTO post(body) VALUES ('hello there')")
    assertSame((await sql("SELECT count(*) FROM post_words WHERE post_words MATCH 'hello'")).rows[0][0].value, '1')
  })
}

try {
  await install(here)
  await daemon.start()
  const one = await daemon.createBuild('one')
  const two = await daemon.createBuild('two')
  await script(path.join(here, 'app.mjs'), [], here, { ...one.env, OTHER_TOKEN: two.env.TURSO_AUTH_TOKEN }, 'app', { flags: ['--expose-gc'] })
  await check('the other build has what its own key wrote, and nothing else', async () => {
    const r = await daemon.sql(two.env.TURSO_AUTH_TOKEN, "SELECT group_concat(name) FROM sqlite_schema WHERE type = 'table'")
    assertSame(r.rows[0][0].value, 'mine')
  })
  const revoked = await daemon.createBuild('revoked')
  await daemon.mustCli(['build', 'revoke', 'revoked'])
  await script(path.join(here, 'refused.mjs'), ['revoked'], here, revoked.env, 'refused')
  const forged = withChecksum(one.env.TURSO_AUTH_TOKEN.slice(0, 20) + 'A'.repeat(15))
  await script(path.join(here, 'refused.mjs'), ['forged'], here, { ...one.env, TURSO_AUTH_TOKEN: forged }, 'refused')
  await script(path.join(here, 'refused.mjs'), ['none'], here, { ...one.env, TURSO_AUTH_TOKEN: '' }, 'refused')
  await downloaded()
  await check('the daemon ends cleanly', async () => {
    const end = await daemon.stop({ timeout: 12000 }) // a drain takes 10 s at most
    return end?.code === 0 || `ended with ${JSON.stringify(end)}\n${daemon.log.slice(-2000)}`
  })
} catch (e) {
  await check('the suite ran to its end', () => { throw e })
  note(daemon.log.slice(-2000))
} finally {
  await cleanUp()
}
finish()
