// kill -9 of front and of the supervisor, each COUNT times, while objects are written, replaced, put together of parts and deleted: each is
// what was acknowledged last, or what was being asked when the process went; whole; the usage is what a recount says; and no file is left over.
import { createHash } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { assert, assertSame, check, note } from '../lib/tap.mjs'
import { Daemon, request, sleep } from '../lib/daemon.mjs'
import { raw } from '../lib/s3.mjs'
import { COUNT } from './common.mjs'

const WRITERS = 6
const KEYS = 5
const SIZES = [0, 100, 8192, 8193, 70000]
const PART = 5 << 20
const BIG = Buffer.alloc(PART + 1000, 'part') // of which parts are cut

const md5 = (b) => createHash('md5').update(b).digest('hex')
const content = (key, n) => Buffer.concat([Buffer.from(`${key} ${n} `), Buffer.alloc(SIZES[n % SIZES.length], `${n % 10}`)])
const parts = (n) => [BIG.subarray(0, PART), BIG.subarray(n % 900, (n % 900) + 50)]
const states = { none: { etag: undefined } }

class Writer {
  constructor(daemon, env, number) {
    Object.assign(this, { daemon, env, number, acked: 0, odd: [], on: true, keys: Array.from({ length: KEYS }, (_, i) => ({ name: `w${number}/k${i}`, is: states.none, may: null })) })
    this.done = this.loop()
  }

  // Sends, and says whether the answer was `status`. Anything but a broken connection or 503 is odd.
  async ask(what, status) {
    try {
      const r = await raw(this.env, { timeout: 15000, ...what })
      if (r.status === status) return r
      if (r.status !== 503) this.odd.push(`${what.method} ${what.key}: ${r.status} ${r.text.slice(0, 200)}`)
    } catch {
      await sleep(5)
    }
    return null
  }

  async put(k, n) {
    const body = content(k.name, n)
    k.may = { etag: md5(body), size: body.length }
    return this.ask({ method: 'PUT', key: k.name, body }, 200)
  }

  async multipart(k, n) {
    const made = await this.ask({ method: 'POST', key: k.name, query: [['uploads', '']] }, 200)
    const id = made && /<UploadId>([^<]+)/.exec(made.text)[1]
    if (!id) return null
    const all = parts(n)
    for (const [i, body] of all.entries()) if (!(await this.ask({ method: 'PUT', key: k.name, query: [['partNumber', `${i + 1}`], ['uploadId', id]], body }, 200))) return null
    const digests = all.map(md5)
    k.may = { etag: `${md5(Buffer.from(digests.join(''), 'hex'))}-2`, size: all[0].length + all[1].length }
    return this.ask({ method: 'POST', key: k.name, query: [['uploadId', id]], body: `<CompleteMultipartUpload>${digests.map((d, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>"${d}"</ETag></Part>`).join('')}</CompleteMultipartUpload>` }, 200)
  }

  async remove(k) {
    k.may = states.none
    return this.ask({ method: 'DELETE', key: k.name }, 204)
  }

  async loop() {
    for (let n = 1; this.on; n++) {
      const k = this.keys[n % KEYS]
      if (k.may) continue // what became of it is known after the next look
      const done = await (this.number === 0 && n % 7 === 3 ? this.multipart(k, n) : n % 9 === 5 ? this.remove(k) : this.put(k, n))
      if (!done) {
        await sleep(2)
        continue
      }
      this.acked++
      k.is = k.may
      k.may = null
    }
  }

  // After the daemon is back, and before anything else is asked: each key is the one or the other.
  async look() {
    const wrong = []
    for (const k of this.keys) {
      const r = await raw(this.env, { key: k.name, timeout: 15000 })
      const got = r.status === 404 ? undefined : r.headers.etag?.replaceAll('"', '')
      const whole = r.status === 404 || (r.status === 200 && (got.includes('-') ? true : md5(r.raw) === got))
      const found = [k.is, ...(k.may ? [k.may] : [])].find((s) => s.etag === got && (got === undefined || s.size === r.raw.length))
      if (!whole || !found) wrong.push(`${k.name}: ${r.status} ${got}, ${r.raw?.length} bytes; it was ${JSON.stringify(k.is)}, perhaps ${JSON.stringify(k.may)}`)
      k.is = found ?? k.is
      k.may = null
    }
    return wrong
  }

  stop() { this.on = false; return this.done }
}

// Files in blobs/ that no row of the index names, asked of SQLite itself after the daemon has ended.
function orphans(daemon, id) {
  const folder = path.join(daemon.data, 'builds', id)
  const r = spawnSync('python3', ['-c', `
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1] + "/storage.db")
named = {row[0].hex() for row in db.execute("SELECT blob FROM objects WHERE blob IS NOT NULL UNION ALL SELECT blob FROM extents UNION ALL SELECT blob FROM parts")}
there = {f for d in os.listdir(sys.argv[1] + "/blobs") for f in os.listdir(sys.argv[1] + "/blobs/" + d)}
print(len(there - named), len(named - there), db.execute("PRAGMA integrity_check").fetchone()[0])`, folder], { encoding: 'utf8' })
  return r.stdout.trim() || r.stderr.trim()
}

async function served(daemon, env) {
  for (const t0 = Date.now(); Date.now() - t0 < 15000; await sleep(5)) {
    try {
      const h = await request(`${daemon.adminUrl}/api/v1/health`, { timeout: 2000 })
      if (h.status === 200 && (await raw(env, { method: 'HEAD', timeout: 2000 })).status === 200) return
    } catch {}
  }
  throw new Error(`storage is not back after 15 s\n${daemon.log.slice(-1500)}`)
}

export async function run(base) {
  const daemon = new Daemon({ portBase: base, args: ['--loops', '2'] })
  await daemon.start()
  const { env } = await daemon.createBuild('objects')
  let writers = Array.from({ length: WRITERS }, (_, i) => new Writer(daemon, env, i))
  const rounds = async (kill) => {
    const wrong = []
    for (let i = 0; i < COUNT; i++) {
      await sleep(120 + 61 * (i % 8))
      await kill()
      await Promise.all(writers.map((w) => w.stop()))
      await served(daemon, env)
      wrong.push(...(await Promise.all(writers.map((w) => w.look()))).flat())
      writers.forEach((w) => { w.on = true; w.done = w.loop() })
    }
    await Promise.all(writers.map((w) => w.stop()))
    assertSame(wrong.slice(0, 5), [], 'objects that are neither old nor new')
    assertSame(writers.flatMap((w) => w.odd).slice(0, 5), [], 'unexpected answers')
    assert(writers.reduce((n, w) => n + w.acked, 0) > 20 * COUNT, 'too little load')
    note(`${writers.reduce((n, w) => n + w.acked, 0)} writes were acknowledged`)
    writers.forEach((w) => { w.on = true; w.acked = 0; w.done = w.loop() })
  }
  await check(`objects: kill -9 of front, ${COUNT} times: each is the old or the new one, whole`, () => rounds(async () => {
    const front = daemon.children().find((c) => c.role === 'front')
    assert(front, 'there is no front')
    process.kill(front.pid, 'SIGKILL')
  }))
  await check(`objects: kill -9 of the supervisor, ${COUNT} times: the same`, () => rounds(async () => {
    await daemon.kill9()
    await daemon.start()
  }))
  await Promise.all(writers.map((w) => w.stop()))
  await check('objects: the usage is what a recount says', async () => {
    const r = await daemon.cli(['storage', 'usage', 'objects', '--recount', '--json'])
    assertSame(r.code, 0, r.stderr)
    const u = JSON.parse(r.stdout)
    note(JSON.stringify(u))
    return /"(matches|equal|exact)":true/.test(JSON.stringify(u)) || JSON.stringify(u)
  })
  await check('objects: after a clean end and start no file is left over, none is missing, the index is sound', async () => {
    await daemon.stop()
    await daemon.start()
    await served(daemon, env)
    await raw(env, { key: 'w0/k0' })
    await daemon.stop()
    assertSame(orphans(daemon, 'objects'), '0 0 ok')
  })
}
