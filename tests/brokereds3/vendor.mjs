// What the vendor sees of two builds in one bucket, and what it must not: the credentials, the lines, the bytes.
import fs from 'node:fs'
import { Storage, bytes, raw } from '../lib/s3.mjs'

import { assert, assertSame, check } from '../lib/tap.mjs'
import { BUCKET, BehindR2 } from './behind.mjs'

export async function world(args = []) {
  const behind = await BehindR2.start()
  process.env.VALETKEY_TEST_S3_BEHIND = ''
  const storage = await Storage.start({ args: [...behind.args, ...args], env: behind.env })
  await behind.ready(storage.daemon)
  return { behind, r2: behind.r2, storage, stop: async () => { await storage.stop(); await behind.stop() } }
}

const scopeOf = (note) => JSON.parse(Buffer.from(Buffer.from(note.headers['x-amz-security-token'], 'base64').toString().split('.')[1], 'base64url'))
const rss = (pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1])
const peak = (pid) => Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1])

export async function vendor() {
  const w = await world()
  const { r2, storage } = w
  const a = await storage.build('shop')
  const b = await storage.build('shop2')
  const put = (build, key, body, more = {}) => raw(build.env, { key, method: 'PUT', body, ...more })
  const get = (build, key, more = {}) => raw(build.env, { key, ...more })

  await check('each build’s credential opens its own prefix, ends within the hour, and is used again', async () => {
    for (let i = 0; i < 5; i++) for (const build of [a, b]) assertSame((await put(build, `k${i}`, 'x')).status, 200)
    const of = (id) => [...new Set(r2.seen.filter((n) => n.url.includes(`/builds/${id}/`)).map((n) => n.headers['x-amz-security-token']))]
    for (const build of [a, b]) {
      assertSame(of(build.id).length, 1, `credentials of ${build.id}`)
      const note = r2.seen.find((n) => n.url.includes(`/builds/${build.id}/`))
      const claims = scopeOf(note)
      assert(/^builds\/[a-z0-9-]+\/\d+\/$/.test(claims.paths.prefixPaths[0]) && claims.paths.prefixPaths[0].startsWith(`builds/${build.id}/`), JSON.stringify(claims))
      assertSame([claims.bucket, claims.scope, claims.paths.prefixPaths.length, claims.exp - claims.iat <= 3600], [BUCKET, 'object-read-write', 1, true])
    }
    assertSame(r2.refused, [], 'what R2 refused')
  })

  await check('nothing of the client travels but what is the object’s', async () => {
    const at = r2.seen.length
    await put(a, 'lines', 'x', { headers: { 'content-type': 'text/plain', 'x-amz-meta-colour': 'red', 'x-amz-acl': 'private', 'x-amz-storage-class': 'STANDARD', 'x-amz-expected-bucket-owner': '1', cookie: 'a=b', 'x-forwarded-for': '10.0.0.1', 'cf-connecting-ip': '10.0.0.1', 'user-agent': 'an app', 'cache-control': 'no-store' } })
    const seen = r2.seen.slice(at).find((n) => n.method === 'PUT')
    const names = Object.keys(seen.headers).filter((n) => !['host', 'connection', 'content-length'].includes(n)).sort()
    assertSame(names, ['authorization', 'cache-control', 'content-type', 'x-amz-content-sha256', 'x-amz-date', 'x-amz-meta-colour', 'x-amz-security-token'])
    assertSame(seen.headers['x-amz-content-sha256'], 'UNSIGNED-PAYLOAD')
    assert(!seen.headers.authorization.includes(a.env.R2_ACCESS_KEY_ID), 'the valet key')
  })

  await check('nothing of the organisation comes back', async () => {
    const text = async (p) => { const r = await p; return JSON.stringify(r.headers) + r.text }
    const secrets = [w.behind.parent.id, w.behind.parent.account, w.behind.parent.secret, BUCKET, 'cloudflare', 'cf-ray', 'an-account']
    for (const p of [get(a, 'lines'), get(a, 'not there'), raw(a.env, { query: [['list-type', '2']] }), raw(a.env, { key: 'lines', method: 'HEAD' }), raw(a.env, { key: 'up', method: 'POST', query: [['uploads', '']] }), raw(a.env, { key: 'lines', query: [['uploadId', 'nothing']] })]) {
      const t = await text(p)
      for (const s of secrets) assert(!t.includes(s), `${s} in ${t.slice(0, 400)}`)
    }
    const log = storage.daemon.log
    for (const s of secrets.slice(0, 3)) assert(!log.includes(s), 'in the log')
  })

  await check('bad bodies never arrive as a whole', async () => {
    const big = bytes(3_000_000)
    const list = async () => (await raw(a.env, { query: [['list-type', '2'], ['prefix', 'bad']] })).text.match(/<Key>/g)?.length ?? 0
    for (const body of [Buffer.from('short'), big]) {
      assertSame((await put(a, 'bad-hash', body, { payload: '0'.repeat(64) })).status, 400, 'hash')
      assertSame((await put(a, 'bad-crc', body, { headers: { 'x-amz-checksum-crc32': 'AAAAAA==' } })).status, 400, 'checksum')
      assertSame((await put(a, 'bad-md5', body, { headers: { 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' } })).status, 400, 'MD5')
    }
    assertSame(await list(), 0, 'objects')
  })

  await check('1 GiB in parts of 64 MiB, and back: whole, and in flat memory', async () => {
    const part = bytes(64 << 20, 7)
    const created = await raw(a.env, { key: 'large', method: 'POST', query: [['uploads', '']] })
    const id = /<UploadId>(.*?)</.exec(created.text)[1]
    const pids = storage.daemon.children().filter((c) => c.role !== 'courier')
    const before = Object.fromEntries(pids.map((c) => [c.role, rss(c.pid)]))
    const etags = []
    for (let n = 1; n <= 16; n++) {
      const r = await raw(a.env, { key: 'large', method: 'PUT', query: [['partNumber', String(n)], ['uploadId', id]], body: part, payload: 'UNSIGNED-PAYLOAD', timeout: 120000 })
      assertSame(r.status, 200, r.text)
      etags.push(r.headers.etag)
    }
    const done = await raw(a.env, { key: 'large', method: 'POST', query: [['uploadId', id]], body: `<CompleteMultipartUpload>${etags.map((e, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${e}</ETag></Part>`).join('')}</CompleteMultipartUpload>`, timeout: 120000 })
    assertSame(done.status, 200, done.text)
    const last = await get(a, 'large', { headers: { range: `bytes=${(1 << 30) - 1000}-` } })
    assert(last.status === 206 && Buffer.compare(last.raw, part.subarray(part.length - 1000)) === 0, `${last.status}`)
    for (const c of pids) {
      const grew = peak(c.pid) - before[c.role]
      assert(grew < 16 * 1024, `${c.role} grew by ${grew} KiB`)
    }
    assertSame((await raw(a.env, { key: 'large', method: 'DELETE' })).status, 204)
  })

  await check('a build of the same name, made after the first was deleted, starts empty', async () => {
    await storage.daemon.mustCli(['build', 'delete', 'shop2'])
    const again = await storage.build('shop2')
    assertSame((await get(again, 'k1')).status, 404)
    assert(!(await raw(again.env, { query: [['list-type', '2']] })).text.includes('<Key>'), 'its listing')
  })

  await check('the operator is told where the objects are', async () => {
    const r = await storage.daemon.cli(['storage', 'ls', 'shop'])
    assert(r.code === 1 && /storage service of .* is at R2/.test(r.stderr), `${r.code} ${r.stderr}`)
  })

  await check('a revoked key opens nothing at the vendor, also in an upload that is under way', async () => {
    await storage.daemon.mustCli(['build', 'revoke', 'shop'])
    assertSame([(await get(a, 'lines')).status, (await put(a, 'late', 'x')).status], [403, 403])
  })

  await check('R2 was asked for nothing that it had to refuse', () => {
    assertSame(r2.refused.map((n) => `${n.method} ${n.url}: ${n.why}`), [])
  })
  await w.stop()
  await quotas()
}

async function quotas() {
  const MiB = 1 << 20
  const w = await world(['--limit', 'storage_bytes=2097152', '--limit', 'storage_object=1572864'])
  const { env } = await w.storage.build('small')
  const put = (key, n) => raw(env, { key, method: 'PUT', body: bytes(n) })
  // What a client does with SlowDown.
  const insist = async (key, n, want) => {
    for (const end = Date.now() + 20000; ;) {
      const r = await put(key, n)
      const code = /<Code>(.*?)</.exec(r.text)?.[1]
      if (code !== 'SlowDown') return assertSame([r.status, code], want, r.text)
      assert(Date.now() < end, 'counted within 20 s')
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  await check('quotas: an object, all bytes, and room again once something is deleted', async () => {
    assertSame((await put('huge', 1.5 * MiB + 1)).status, 400)
    await insist('a', 1.5 * MiB, [200, undefined])
    await insist('b', MiB, [403, 'QuotaExceeded'])
    assertSame((await raw(env, { key: 'b' })).status, 404)
    assertSame((await raw(env, { key: 'a', method: 'DELETE' })).status, 204)
    await insist('b', MiB, [200, undefined])
  })
  await w.stop()
}

