// A million rows: in batches of the unmodified client, in one migration of `db apply`, and from a pipe into `db shell`.
import fs from 'node:fs'
import path from 'node:path'
import { assertSame, check } from '../lib/tap.mjs'
import { tempFolder } from '../lib/daemon.mjs'
import { bounded, MB } from './measure.mjs'
import { client } from './statements.mjs'

const ROWS = 1000000
const SUM = (ROWS * (ROWS + 1)) / 2
const name = (i) => `customer ${i}`

async function right(daemon, key) {
  const r = await daemon.sql(key, 'SELECT count(*), sum(id), sum(length(name)), min(name), max(id) FROM customer', [], { timeout: 60000 })
  let letters = 0
  for (let i = 1; i <= ROWS; i++) letters += 9 + String(i).length
  assertSame(r.rows[0].map((v) => v.value), [String(ROWS), String(SUM), String(letters), name(1), String(ROWS)])
  assertSame((await daemon.sql(key, 'PRAGMA quick_check', [], { timeout: 60000 })).rows[0][0].value, 'ok')
}

// INSERTs of 500 rows.
function* inserts() {
  for (let at = 1; at <= ROWS; at += 500)
    yield `INSERT INTO customer VALUES ${Array.from({ length: 500 }, (_, i) => `(${at + i},'${name(at + i)}')`).join(',')};\n`
}
const TABLE = 'CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n'

async function commands(daemon, pid, how, args, input) {
  const build = await daemon.createBuild(how.replace(' ', '-'))
  const begun = Date.now()
  const r = await bounded(pid, 64, () => daemon.cli(['db', ...args(build.id)], { input, timeout: 120000 }))
  await check(`${ROWS} rows by ${how}, ${((Date.now() - begun) / 1000).toFixed(0)} s (${r.said})`, async () => {
    assertSame(r.value.code, 0, r.value.stderr.slice(-500))
    await right(daemon, build.env.TURSO_AUTH_TOKEN)
  })
}

export async function rows(daemon, pid) {
  const build = await daemon.createBuild('rows')
  const db = await client(build.env)
  await db.execute(TABLE)
  const begun = Date.now()
  const r = await bounded(pid, 48, async () => {
    for (let at = 1; at <= ROWS; at += 2500)
      await db.batch(Array.from({ length: 2500 }, (_, i) => ({ sql: 'INSERT INTO customer VALUES (?, ?)', args: [at + i, name(at + i)] })), 'write')
  })
  db.close()
  await check(`${ROWS} rows, a statement each, in batches of @libsql/client, ${((Date.now() - begun) / 1000).toFixed(0)} s (${r.said})`, () => right(daemon, build.env.TURSO_AUTH_TOKEN))

  const text = TABLE + [...inserts()].join('')
  const migrations = tempFolder()
  fs.writeFileSync(path.join(migrations, '0001_customers.sql'), text)
  await commands(daemon, pid, 'db apply', (id) => ['apply', id, migrations])
  await commands(daemon, pid, 'db shell', (id) => ['shell', id], text)
  await check(`and ${(text.length / MB).toFixed(0)} MB of SQL are what that was`, () => text.length > 20 * MB)
}
