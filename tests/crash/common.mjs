// Writers that remember what was acknowledged, and what must be true of the data afterwards.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { request, sleep } from '../lib/daemon.mjs'

export const COUNT = Number(process.env.COUNT ?? (process.env.VALETKEY_TEST_FULL === '1' ? 50 : 5))

export const alive = (pid) => {
  try { return !/^(Z|X)/.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop()) } catch { return false }
}

// One writer on its own connection: rows 1, 2, … of its own number range, single statements and transactions in turns. A row is in
// `acked` once its answer was read. Errors of a dying daemon are expected; answers that are not errors of it are kept in `odd`.
export class Writer {
  constructor(daemon, token, first) {
    Object.assign(this, { daemon, token, first, next: first, acked: [], tried: 0, odd: [], on: true })
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    this.done = this.loop()
  }

  body(id) {
    const v = { type: 'text', value: `row ${id} ${'.'.repeat(id % 700)}` }
    const args = [{ type: 'integer', value: String(id) }, v]
    if (id % 4) return { requests: [{ type: 'execute', stmt: { sql: 'INSERT INTO t VALUES (?, ?)', args } }, { type: 'close' }] }
    const ok = (step) => ({ type: 'ok', step })
    return { requests: [{ type: 'batch', batch: { steps: [
      { stmt: { sql: 'BEGIN IMMEDIATE' } }, { condition: ok(0), stmt: { sql: 'INSERT INTO t VALUES (?, ?)', args } },
      { condition: ok(1), stmt: { sql: 'UPDATE counter SET n = n + 1' } }, { condition: ok(2), stmt: { sql: 'COMMIT' } },
      { condition: { type: 'not', cond: ok(3) }, stmt: { sql: 'ROLLBACK' } }] } }, { type: 'close' }] }
  }

  async loop() {
    while (this.on) {
      const id = this.next++
      this.tried++
      try {
        const r = await request(`${this.daemon.databaseUrl}/v2/pipeline`, { method: 'POST', agent: this.agent, headers: { Authorization: `Bearer ${this.token}`, 'Content-Type': 'application/json' }, body: this.body(id), timeout: 10000 })
        if (r.status === 200) {
          const first = r.json().results[0]
          const ok = first.type === 'ok' && (id % 4 || first.response.result.step_results[3] !== null)
          if (ok) this.acked.push(id)
          else if (this.refused) this.refused(id, first)
          else this.odd.push(JSON.stringify(first).slice(0, 300))
        } else if (r.status !== 503) {
          this.odd.push(`${r.status} ${r.text.slice(0, 200)}`)
        }
      } catch {
        await sleep(2) // it was cut off: not acknowledged
      }
    }
    this.agent.destroy()
  }

  stop() { this.on = false; return this.done }
}

export async function prepare(daemon, id) {
  const { env } = await daemon.createBuild(id)
  await daemon.sql(env.TURSO_AUTH_TOKEN, 'CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT NOT NULL)')
  await daemon.sql(env.TURSO_AUTH_TOKEN, 'CREATE TABLE counter(n INTEGER)')
  await daemon.sql(env.TURSO_AUTH_TOKEN, 'INSERT INTO counter VALUES (0)')
  return { id, env, token: env.TURSO_AUTH_TOKEN }
}

// Asked of the daemon: all acknowledged rows, whole; the counter fits; the file is sound.
// With `from`: only the rows from that number on.
export async function verify(daemon, build, writers, from = 0) {
  const rows = new Set()
  for (let last = from - 1; last !== undefined;) {
    const page = (await daemon.sql(build.token, 'SELECT id FROM t WHERE id > ? ORDER BY id LIMIT 50000', [{ type: 'integer', value: String(last) }])).rows.map((r) => Number(r[0].value))
    for (const id of page) rows.add(id)
    last = page.at(-1)
  }
  const acked = writers.flatMap((w) => w.acked)
  const lost = acked.filter((id) => !rows.has(id))
  if (lost.length) throw new Error(`${build.id}: ${lost.length} acknowledged rows are lost, of ${acked.length}: ${lost.slice(0, 10)}`)
  const other = (await daemon.sql(build.token, "SELECT id FROM t WHERE v <> 'row ' || id || ' ' || substr(replace(hex(zeroblob(350)), '0', '.'), 1, id % 700) AND id >= ? LIMIT 5", [{ type: 'integer', value: String(from) }])).rows
  if (other.length) throw new Error(`${build.id}: row ${other[0][0].value} is not what was written`)
  if (from) return acked.length
  const counted = Number((await daemon.sql(build.token, 'SELECT n FROM counter')).rows[0][0].value)
  const transactions = [...rows].filter((id) => id % 4 === 0).length
  if (counted !== transactions) throw new Error(`${build.id}: a transaction was applied in part: counter ${counted}, rows ${transactions}`)
  const check = (await daemon.sql(build.token, 'PRAGMA integrity_check')).rows.map((r) => r[0].value).join()
  if (check !== 'ok') throw new Error(`${build.id}: integrity_check: ${check}`)
  return acked.length
}

// The same of a file, by SQLite alone.
export function integrity(file) {
  const r = spawnSync('python3', ['-c', 'import sqlite3,sys; print(sqlite3.connect(sys.argv[1]).execute("PRAGMA integrity_check").fetchone()[0])', file], { encoding: 'utf8' })
  return r.stdout.trim() || r.stderr.trim()
}

export const databaseFile = (daemon, id) => path.join(daemon.data, 'builds', id, 'database.db')
