// The builds that the suite is about, and what tells whether anything of them changed.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { Daemon, tempFolder } from '../lib/daemon.mjs'

// What is tried here with keys that open nothing comes from one address; tests/slow is about that limit.
export const manyBadKeys = ['--limit', 'bad_key_rate=0']

export async function build(daemon, id, args = []) {
  const { env } = await daemon.createBuild(id, args)
  const token = env.TURSO_AUTH_TOKEN
  await daemon.sql(token, 'CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)')
  await daemon.sql(token, 'INSERT INTO t(v) VALUES (?), (?)', [{ type: 'text', value: `secret of ${id}` }, { type: 'text', value: id }])
  return { id, token, env }
}

// A running daemon, and a build for everything that a key can be: own, another's, revoked, expired, of a deleted build, of another
// installation. `victim` is for what admin requests may do to a build.
export async function everybody(base) {
  const foreign = new Daemon({ portBase: base + 10 })
  await foreign.start()
  const ctx = { foreign: await build(foreign, 'own') }
  await foreign.stop()

  const data = path.join(tempFolder(), 'data')
  const early = new Daemon({ portBase: base, data, args: manyBadKeys, env: { VALETKEY_TEST_CLOCK_OFFSET_MS: '-120000' } })
  await early.start()
  ctx.expired = await build(early, 'expired', ['--ttl', '60s'])
  await early.stop()

  const daemon = new Daemon({ portBase: base, data, args: manyBadKeys })
  await daemon.start()
  for (const name of ['own', 'other', 'revoked', 'deleted', 'victim']) ctx[name] = await build(daemon, name)
  await daemon.mustCli(['build', 'revoke', 'revoked'])
  await daemon.mustCli(['build', 'delete', 'deleted'])
  return { daemon, ctx, data }
}

// The files of a build as they lie there: equal bytes are the same data. Cheap, for every cell.
export function bytes(daemon, id) {
  const dir = path.join(daemon.data, 'builds', id)
  const hash = createHash('sha256')
  const snapshots = fs.existsSync(dir) ? fs.readdirSync(dir).filter((f) => f.startsWith('snapshot.')).sort() : []
  const blobs = fs.existsSync(path.join(dir, 'blobs')) ? fs.readdirSync(path.join(dir, 'blobs'), { recursive: true }).sort().join() : ''
  hash.update(blobs)
  for (const f of ['database.db', 'database.db-wal', 'storage.db', 'storage.db-wal', 'auth.db', 'auth.db-wal', ...snapshots]) {
    hash.update(`${f}:`)
    try { hash.update(fs.readFileSync(path.join(dir, f))) } catch (e) { hash.update(e.code) }
  }
  return hash.digest('hex')
}

// What is in the database, read by SQLite from a copy, without the daemon.
export function content(daemon, id) {
  const dir = path.join(daemon.data, 'builds', id)
  const copy = tempFolder('valetkey-copy')
  for (const f of ['database.db', 'database.db-wal']) if (fs.existsSync(path.join(dir, f))) fs.copyFileSync(path.join(dir, f), path.join(copy, f))
  const r = spawnSync('python3', ['-c', `
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
assert c.execute("PRAGMA integrity_check").fetchone()[0] == "ok", "integrity_check"
print("\\n".join(c.iterdump()))`, path.join(copy, 'database.db')], { encoding: 'utf8' })
  fs.rmSync(copy, { recursive: true, force: true })
  if (r.status !== 0) throw new Error(`the copy of ${id} cannot be read: ${r.stderr}`)
  return r.stdout
}

// Builds as the admin API shows them, without the times that a use may move.
export async function register(daemon) {
  const r = await daemon.admin('GET', '/api/v1/builds')
  return JSON.stringify(r.json(), (k, v) => (/expires|touched|used/.test(k) ? undefined : v))
}
