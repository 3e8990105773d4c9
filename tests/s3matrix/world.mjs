// The builds of the suite, who asks, and what tells whether anything of a build has changed.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { Daemon, tempFolder } from '../lib/daemon.mjs'
import { assert, assertSame } from '../lib/tap.mjs'
import { bin, Pool } from './wire.mjs'
import { inHeader } from './sign.mjs'

// Set by tests/brokereds3: a module whose start() puts a vendor behind the daemon.
const behind = process.env.VALETKEY_TEST_S3_BEHIND
export const manyBadKeys = ['--limit', 'bad_key_rate=0'] // what is tried here comes from one address
export const SECRET = 'nobody else may read this'

export class Build {
  constructor(id, env) {
    Object.assign(this, { id, env, bucket: env.R2_BUCKET, prefix: env.R2_PREFIX, key: { id: env.R2_ACCESS_KEY_ID, secret: env.R2_SECRET_ACCESS_KEY } })
  }
}

export class World {
  // `mine` is the build that asks; `min`, `mine2` and `other` are its neighbours, `third` a stranger with a good key.
  static async start(base) {
    const w = new World()
    w.data = path.join(tempFolder(), 'data')
    if (behind) w.behind = await (await import(behind)).start()
    const more = w.behind?.args ?? []
    const early = new Daemon({ portBase: base, data: w.data, args: [...manyBadKeys, ...more], env: { ...w.behind?.env, VALETKEY_TEST_CLOCK_OFFSET_MS: '-120000' } })
    await early.start()
    await w.behind?.ready(early)
    w.expired = new Build('expired', (await early.createBuild('expired', ['--ttl', '60s'])).env)
    await early.stop()
    w.daemon = new Daemon({ portBase: base, data: w.data, args: [...manyBadKeys, '--limit', 'storage_bytes=64M', ...more], env: { ...w.behind?.env } })
    await w.daemon.start()
    await w.behind?.ready(w.daemon)
    for (const id of ['mine', 'min', 'mine2', 'other', 'third', 'revoked', 'deleted']) w[id] = new Build(id, (await w.daemon.createBuild(id)).env)
    w.port = Number(new URL(w.mine.env.R2_ENDPOINT).port)
    w.host = `127.0.0.1:${w.port}`
    w.pool = new Pool(w.port)
    for (const id of ['mine', 'min', 'mine2', 'other', 'revoked']) {
      for (const key of ['k', 'secret.txt', 'public/shown.txt', 'deep/er/x', `${id} only`]) await w.put(w[id], key, `${SECRET}: ${id} ${key}`)
      w[id].upload = (await w.ok(w[id], { method: 'POST', path: w.at(w[id], 'unfinished'), query: 'uploads=' })).text.match(/<UploadId>(.*?)</)[1]
      await w.ok(w[id], { method: 'PUT', path: w.at(w[id], 'unfinished'), query: `partNumber=1&uploadId=${w[id].upload}`, body: SECRET })
    }
    await w.daemon.mustCli(['build', 'revoke', 'revoked'])
    await w.daemon.mustCli(['build', 'delete', 'deleted'])
    w.neighbours = ['min', 'mine2', 'other']
    w.mine.kept = (await w.keys(w.mine)).map(decodeXml)
    return w
  }

  at(build, key) { return `/${build.bucket}/${key.split('/').map(encodeURIComponent).join('/')}` }
  base(r) { return { ...r, query: r.query ?? '', body: r.body ?? '', headers: [['Host', this.host], ...(r.headers ?? [])] } }
  // With the length of its body, unless it has one or is in pieces.
  sized(r) {
    const has = (n) => r.headers.some(([k]) => k.toLowerCase() === n)
    return r.body.length && !has('content-length') && !has('transfer-encoding') ? { ...r, headers: [...r.headers, ['Content-Length', r.body.length]] } : r
  }
  signed(key, r, o) { return inHeader(key, this.sized(this.base(r)), o) }
  ask(key, r, o) { return this.pool.ask(key ? this.signed(key, r, o) : this.sized(this.base(r))) }
  async ok(build, r) {
    const a = await this.ask(build.key, r)
    assert(a.status < 300, `${r.method} ${r.path}?${r.query ?? ''}: ${a.status} ${a.text}`)
    return a
  }
  put(build, key, body, headers) { return this.ok(build, { method: 'PUT', path: this.at(build, key), body: bin(body), headers }) }
  get(build, key) { return this.ask(build.key, { method: 'GET', path: this.at(build, key) }) }

  async keys(build) { return [...(await this.ok(build, { method: 'GET', path: `/${build.bucket}`, query: 'versions=' })).text.matchAll(/<Version>.*?<Key>(.*?)<\/Key>/gs)].map((m) => m[1]) }
  async uploads(build) { return [...(await this.ok(build, { method: 'GET', path: `/${build.bucket}`, query: 'uploads=' })).text.matchAll(/<UploadId>(.*?)<\/UploadId>/g)].map((m) => m[1]) }

  // All that a build's own key sees of it, and what lies on the disk: bytes of objects, ETags, times, uploads and their parts, rules.
  async print(build) {
    const listing = (await this.ok(build, { method: 'GET', path: `/${build.bucket}`, query: 'versions=' })).text
    const open = (await this.ok(build, { method: 'GET', path: `/${build.bucket}`, query: 'uploads=' })).text
    const hash = createHash('sha256').update(listing).update(open)
    for (const key of await this.keys(build)) hash.update((await this.ok(build, { method: 'GET', path: this.at(build, decodeXml(key)) })).body)
    for (const id of await this.uploads(build)) hash.update((await this.ask(build.key, { method: 'GET', path: this.at(build, 'unfinished'), query: `uploadId=${id}` })).text)
    hash.update((await this.ask(build.key, { method: 'GET', path: `/${build.bucket}`, query: 'cors=' })).text.replace(/<RequestId>.*?<\/RequestId>/, ''))
    const dir = path.join(this.data, 'builds', build.id, 'blobs')
    hash.update(fs.existsSync(dir) ? fs.readdirSync(dir, { recursive: true }).filter((f) => f.length > 8).sort().join() : '')
    return hash.digest('hex')
  }

  async prints() { return Object.fromEntries(await Promise.all(this.neighbours.map(async (id) => [id, await this.print(this[id])]))) }

  // What the index says is used, and what is there, counted from a copy without the daemon.
  usage(build) {
    const copy = tempFolder('valetkey-copy')
    const dir = path.join(this.data, 'builds', build.id)
    for (const f of ['storage.db', 'storage.db-wal']) if (fs.existsSync(path.join(dir, f))) fs.copyFileSync(path.join(dir, f), path.join(copy, f))
    const r = spawnSync('python3', ['-c', `
import json, sqlite3, sys
c = sqlite3.connect(sys.argv[1])
said = c.execute("SELECT bytes, objects, part_bytes, uploads FROM usage").fetchone()
one = lambda q: c.execute(q).fetchone()[0] or 0
print(json.dumps([list(said), [one("SELECT sum(size) FROM objects"), one("SELECT count(*) FROM objects"), one("SELECT sum(max(size, 4096)) FROM parts"), one("SELECT count(*) FROM uploads")]]))`, path.join(copy, 'storage.db')], { encoding: 'utf8' })
    fs.rmSync(copy, { recursive: true, force: true })
    assert(r.status === 0, r.stderr)
    return JSON.parse(r.stdout)
  }

  // Keys and uploads of `mine` are what they were; the answer's keys are taken away again.
  async tidy(allowed) {
    const extra = (await this.keys(this.mine)).map(decodeXml).filter((k) => !this.mine.kept.includes(k))
    const wanted = new Set(allowed)
    const unwanted = extra.filter((k) => !wanted.has(k))
    // With the prefix in front: "builds/" without it is not the build's.
    for (const k of extra) await this.ok(this.mine, { method: 'DELETE', path: this.at(this.mine, this.mine.prefix + bytesToText(k)) })
    assertSame(unwanted, [], 'keys that were stored although they were refused')
    assertSame(await this.uploads(this.mine), [this.mine.upload], 'uploads of mine')
  }
}

const entities = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }
export const decodeXml = (s) => s.replace(/&(#x?[0-9a-fA-F]+|\w+);/g, (_, e) => e[0] === '#' ? String.fromCharCode(e[1] === 'x' ? parseInt(e.slice(2), 16) : Number(e.slice(1))) : entities[e])
// A text of bytes that are UTF-8 as JavaScript's own.
export const bytesToText = (s) => Buffer.from(s, 'latin1').toString('utf8')
