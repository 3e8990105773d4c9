// Taking, listing, restoring, undoing, removing snapshots; what the files look like; the download beside them.
import fs from 'node:fs'
import path from 'node:path'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { Meanwhile } from '../lib/meanwhile.mjs'
import { sleep, tempFolder } from '../lib/daemon.mjs'
import { json, rows, sqlite3 } from './lib.mjs'
import { connect } from './ws.mjs'

const setup = [
  "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL, cents INTEGER NOT NULL, euros REAL GENERATED ALWAYS AS (cents / 100.0) STORED, label TEXT AS (name || ' ' || cents) VIRTUAL)",
  'CREATE VIRTUAL TABLE item_text USING fts5(name, content=item, content_rowid=id)',
  "CREATE TRIGGER item_added AFTER INSERT ON item BEGIN INSERT INTO item_text(rowid, name) VALUES (new.id, new.name); END",
  'CREATE TABLE pair (a TEXT, b TEXT, v BLOB, PRIMARY KEY (a, b)) WITHOUT ROWID',
  'CREATE INDEX item_euros ON item(euros)',
  'CREATE VIEW dear AS SELECT * FROM item WHERE euros > 10',
  "INSERT INTO item (name, cents) VALUES ('green teapot', 1250), ('white cup', 350)",
  "INSERT INTO pair VALUES ('x', 'y', x'00ff')",
]
const state = "SELECT (SELECT group_concat(label) FROM item), (SELECT count(*) FROM item_text WHERE item_text MATCH 'teapot'), (SELECT count(*) FROM pair)"

export async function snapshots(daemon) {
  const token = (await daemon.createBuild('snap')).env.TURSO_AUTH_TOKEN
  const dir = path.join(daemon.data, 'builds', 'snap')
  const now = async () => (await rows(daemon, token, state))[0]

  await check('a build that has not used its database has nothing to keep', async () => {
    const r = await json(daemon, ['db', 'snapshot', 'snap'])
    assertSame([r.code, r.error.code], [1, 'not_found'])
    assert((await daemon.mustCli(['db', 'snapshots', 'snap'])).includes('has no snapshots'), 'an empty list')
  })
  for (const sql of setup) await daemon.sql(token, sql)

  await check('taken, named, listed; a file of its own, 0600, whole by the distribution’s sqlite3', async () => {
    const r = await json(daemon, ['db', 'snapshot', 'snap', '--name', 'first'])
    assertSame([r.code, r.out.name, r.out.automatic], [0, 'first', false], r.stderr)
    const list = (await json(daemon, ['db', 'snapshots', 'snap'])).out
    assertSame([list.snapshots.map((s) => s.id), list.bytes], [[r.out.id], r.out.bytes])
    const file = path.join(dir, `snapshot.${r.out.id}.m.first`)
    assertSame([fs.statSync(file).mode & 0o777, fs.statSync(file).size], [0o600, r.out.bytes])
    const copy = path.join(tempFolder(), 'copy.db')
    fs.copyFileSync(file, copy)
    assertSame(sqlite3(copy, `PRAGMA integrity_check; ${state}; INSERT INTO item_text(item_text) VALUES ('integrity-check'); SELECT label, euros FROM dear`), 'ok\ngreen teapot 1250,white cup 350|1|1\ngreen teapot 1250|12.5')
    assert(/first .* 2\d{3}-/.test(await daemon.mustCli(['db', 'snapshots', 'snap'])), 'the table')
  })

  await check('restored: rows, text search, generated columns; and undone, exactly', async () => {
    const before = await now()
    await daemon.sql(token, "UPDATE item SET cents = 1 WHERE id = 1")
    await daemon.sql(token, "INSERT INTO item (name, cents) VALUES ('red teapot', 5)")
    await daemon.sql(token, 'DELETE FROM pair')
    const changed = await now()
    const r = await json(daemon, ['db', 'restore', 'snap', 'first'])
    assertSame([r.code, r.out.restored.name, r.out.before.name], [0, 'first', 'before-restore'], r.stderr)
    assertSame(await now(), before)
    const undone = await json(daemon, ['db', 'restore', 'snap', r.out.before.id])
    assertSame([undone.code, await now()], [0, changed])
    assertSame((await json(daemon, ['db', 'snapshots', 'snap'])).out.snapshots.length, 3)
    assert(fs.readdirSync(dir).filter((f) => fs.statSync(path.join(dir, f)).nlink !== 1).length === 0, 'a file with two names')
  })

  await check('keys, idle connections and the next transaction are as before; an open one is told and rolled back', async () => {
    const open = (await daemon.pipeline(token, { requests: [{ type: 'execute', stmt: { sql: 'BEGIN IMMEDIATE' } }, { type: 'execute', stmt: { sql: "INSERT INTO pair VALUES ('open', 'one', NULL)" } }] })).json()
    assertSame((await json(daemon, ['db', 'restore', 'snap', 'first'])).code, 0)
    const on = await daemon.pipeline(token, { baton: open.baton, requests: [{ type: 'execute', stmt: { sql: 'COMMIT' } }, { type: 'close' }] })
    assertSame([on.status, on.json().code], [400, 'STREAM_EXPIRED'])
    assert(on.json().message.includes('restored from a snapshot'), on.text)
    assertSame(await rows(daemon, token, 'SELECT a, b FROM pair'), [['x', 'y']])
  })

  await check('a statement that runs for long is interrupted with an error to try again, soon', async () => {
    const long = daemon.pipeline(token, { requests: [{ type: 'execute', stmt: { sql: 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c' } }, { type: 'close' }] })
    await sleep(200)
    const meanwhile = new Meanwhile()
    const t0 = Date.now()
    assertSame((await json(daemon, ['db', 'restore', 'snap', 'first'])).code, 0)
    assert(meanwhile.allows(Date.now() - t0, 6000), `it took ${Date.now() - t0} ms`)
    const { error } = (await long).json().results[0]
    assertSame(error?.code, 'TRANSACTION_BUSY', JSON.stringify(error))
  })

  await check('a cursor whose client does not read is cut off, and the restore goes on', async () => {
    const net = await import('node:net')
    const s = net.connect(daemon.portBase + 2, '127.0.0.1')
    s.on('error', () => {})
    const body = JSON.stringify({ baton: null, batch: { steps: [{ stmt: { sql: "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 3000000) SELECT x, printf('%0200d', x) FROM c" } }] } })
    s.write(`POST /v3/cursor HTTP/1.1\r\nHost: 127.0.0.1:${daemon.portBase + 2}\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    s.once('data', () => s.pause())
    await sleep(500)
    const r = await json(daemon, ['db', 'restore', 'snap', 'first'])
    assertSame(r.code, 0, r.stderr)
    // Once it reads, it sees that this is not the end: the last chunk never comes, the connection does not stay.
    let got = ''
    s.setEncoding('latin1').on('data', (d) => (got += d))
    const closed = new Promise((resolve) => s.on('close', () => resolve(true)))
    s.resume()
    assert(await Promise.race([closed, sleep(5000)]), 'the connection stays open')
    assert(got.length > 10000 && !got.endsWith('0\r\n\r\n'), `it looks whole: …${got.slice(-100)}`)
    assertSame(got.match(/"x":3000000/), null)
    assertSame((await rows(daemon, token, 'SELECT count(*) FROM item'))[0][0], 2)
  })

  await check('a cursor that is being read ends with an error to try again', async () => {
    const { request } = await import('../lib/daemon.mjs')
    const endless = 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c'
    const answer = request(`${daemon.databaseUrl}/v3/cursor`, { method: 'POST', headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }, body: { baton: null, batch: { steps: [{ stmt: { sql: 'SELECT 1' } }, { stmt: { sql: endless } }] } } })
    await sleep(300)
    assertSame((await json(daemon, ['db', 'restore', 'snap', 'first'])).code, 0)
    const lines = (await answer).text.trim().split('\n').map((l) => JSON.parse(l))
    assertSame([lines.at(-1).type, lines.at(-1).error?.code], ['step_error', 'TRANSACTION_BUSY'], JSON.stringify(lines.at(-1)))
  })

  await check('db ddl notes the restores among the statements', async () => {
    await daemon.sql(token, 'CREATE TABLE after_restore (a)')
    const all = (await json(daemon, ['db', 'ddl', 'snap'])).out.statements
    const notes = all.filter((x) => x.restored)
    assert(notes.length >= 4 && notes.every((x) => x.sql.startsWith(`-- restored from snapshot ${x.restored}`)), JSON.stringify(notes))
    assert(notes.some((x) => x.sql.endsWith(' (first)')), JSON.stringify(notes))
    assertSame([all.at(-1).sql, all.at(-2).restored !== undefined], ['CREATE TABLE after_restore (a)', true])
    const told = await daemon.mustCli(['db', 'ddl', 'snap'])
    assert(/^-- restored from snapshot \d{8}-\d{6}-\d{3} \(first\)$/m.test(told), told)
    await daemon.sql(token, 'DROP TABLE after_restore')
  })

  await check('a WebSocket’s open transaction is told, and the socket goes on', async () => {
    const ws = await connect(daemon.portBase + 2, 'hrana2')
    const send = (o) => ws.send(JSON.stringify(o))
    const until = async (id) => { for (let i = 0; i < 200; i++) { const m = ws.messages.map((x) => JSON.parse(x)).find((x) => x.request_id === id); if (m) return m; await sleep(20) } throw new Error(`no answer ${id}: ${ws.messages}`) }
    const sql = async (id, text) => { send({ type: 'request', request_id: id, request: { type: 'execute', stream_id: 1, stmt: { sql: text, want_rows: true } } }); return until(id) }
    send({ type: 'hello', jwt: token })
    send({ type: 'request', request_id: 0, request: { type: 'open_stream', stream_id: 1 } })
    await until(0)
    await sql(1, 'BEGIN IMMEDIATE')
    await sql(2, "INSERT INTO pair VALUES ('socket', 'one', NULL)")
    assertSame((await json(daemon, ['db', 'restore', 'snap', 'first'])).code, 0)
    const told = await sql(3, "INSERT INTO pair VALUES ('socket', 'two', NULL)")
    assertSame([told.type, told.error?.code], ['response_error', 'STREAM_EXPIRED'], JSON.stringify(told))
    await sql(4, 'ROLLBACK')
    assertSame((await sql(5, "SELECT count(*) FROM pair WHERE a = 'socket'")).response.result.rows[0][0].value, '0')
    ws.close()
  })

  await check('the limits: 16 by people are the most, automatic ones make room, names are once', async () => {
    for (let i = 1; i < 16; i++) assertSame((await json(daemon, ['db', 'snapshot', 'snap', '--name', `n${i}`])).code, 0)
    const r = await json(daemon, ['db', 'snapshot', 'snap', '--name', 'n16'])
    assert(r.code === 1 && r.error.code === 'conflict' && r.error.message.includes('which is the most'), r.stderr)
    assertSame((await json(daemon, ['db', 'restore', 'snap', 'n7'])).code, 0, 'there is always room to undo')
    const list = (await json(daemon, ['db', 'snapshots', 'snap'])).out.snapshots
    assertSame([list.length <= 20, list.filter((s) => !s.automatic).length, list.some((s) => s.name === 'first')], [true, 16, true])
    assertSame((await json(daemon, ['db', 'snapshots', 'snap', '--delete', 'n16'])).code, 1)
    assertSame((await json(daemon, ['db', 'snapshots', 'snap', '--delete', 'n15'])).code, 0)
    assertSame((await json(daemon, ['db', 'snapshot', 'snap', '--name', 'n1'])).error?.code, 'conflict')
    assertSame((await json(daemon, ['db', 'snapshot', 'snap', '--name', 'n16'])).code, 0)
  })

  await check('the download is whole: integrity, text search, generated columns, in the distribution’s sqlite3', async () => {
    const out = path.join(tempFolder(), 'out.db')
    await daemon.mustCli(['db', 'download', 'snap', '--out', out])
    assertSame(sqlite3(out, `PRAGMA integrity_check; ${state}; INSERT INTO item_text(item_text) VALUES ('integrity-check'); SELECT label, euros FROM dear`), 'ok\ngreen teapot 1250,white cup 350|1|1\ngreen teapot 1250|12.5')
    sqlite3(out, "INSERT INTO item (name, cents) VALUES ('blue teapot', 99)")
    assertSame(sqlite3(out, "SELECT label, euros FROM item WHERE id IN (SELECT rowid FROM item_text WHERE item_text MATCH 'teapot') ORDER BY id"), 'green teapot 1250|12.5\nblue teapot 99|0.99')
  })

  await check('a revoked build keeps what it has: lists and compares, takes and restores nothing; deleted, all is gone', async () => {
    await daemon.mustCli(['build', 'revoke', 'snap'])
    assertSame((await json(daemon, ['db', 'snapshots', 'snap'])).code, 0)
    assertSame((await json(daemon, ['db', 'diff', 'snap', 'first'])).code, 0)
    for (const args of [['snapshot', 'snap'], ['restore', 'snap', 'first'], ['snapshots', 'snap', '--delete', 'first']]) {
      const r = await json(daemon, ['db', ...args])
      assert(r.code === 1 && /was revoked/.test(r.error.message), r.stderr)
    }
    await daemon.mustCli(['build', 'delete', 'snap', '--yes'])
    assert(!fs.existsSync(dir), 'its folder is still there')
    await daemon.createBuild('snap')
    assertSame((await json(daemon, ['db', 'snapshots', 'snap'])).out.snapshots, [], 'a new build of that name has none of its snapshots')
  })
}
