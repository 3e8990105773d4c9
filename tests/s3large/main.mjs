// Large objects and slow clients: every byte comes back, and the front process does not grow with them.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { cleanUp, sleep } from '../lib/daemon.mjs'
import { Meanwhile } from '../lib/meanwhile.mjs'
import { Storage, bytes, eachOf, raw } from '../lib/s3.mjs'
import { signed } from '../lib/sigv4.mjs'
import { assert, assertSame, check, finish, note } from '../lib/tap.mjs'

const MiB = 1 << 20
const GiB = 1 << 30
const SLOW = 1000
const RISE = 2 // MiB, the most that a large transfer may cost
// What each upload that is under way may cost besides: what is gathered before it is written (docs/LIMITS.md), and what the allocator keeps of it.
const GATHERED = 0.75 // MiB; 0.2 to 0.4 measured
// What a slow upload may cost: its buffer, its request, its share of everything (18 KiB measured; a body's buffer may have 64).
const PER_SLOW = 40 // KiB

const storage = await Storage.start({ args: ['--limit', 'slow_rate=1'], env: { VALETKEY_DEBUG_DUMPABLE: '1' } })
const { env } = await storage.build('large')

// Resident MiB of the front process. `Anonymous` leaves out pages of files, which the kernel takes back as it likes.
const front = storage.own ? storage.daemon.children().find((c) => c.role === 'front').pid : undefined
function memory() {
  if (!front) return { rss: 0, anonymous: 0 }
  const text = fs.readFileSync(`/proc/${front}/smaps_rollup`, 'utf8')
  const of = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)[1]) / 1024
  return { rss: of('Rss'), anonymous: of('Anonymous') }
}

// Runs `fn`; the most that memory rose over what it was before, looked at 20 times a second.
async function rise(fn) {
  const before = memory()
  let most = before
  const timer = setInterval(() => {
    const m = memory()
    most = { rss: Math.max(most.rss, m.rss), anonymous: Math.max(most.anonymous, m.anonymous) }
  }, 50)
  try {
    await fn()
  } finally {
    clearInterval(timer)
  }
  return { rss: most.rss - before.rss, anonymous: most.anonymous - before.anonymous, before: before.rss }
}
const told = (r) => `+${r.rss.toFixed(2)} MiB resident (${r.before.toFixed(1)} before), +${r.anonymous.toFixed(2)} anonymous`

// 8 MiB that are sent again and again, with a number in front so that blocks differ.
const block = bytes(8 * MiB, 41)
const blockAt = (i) => { const b = Buffer.from(block); b.writeUInt32LE(i); return b }
const digest = (from, n) => { const h = createHash('sha256'); for (let i = from; i < from + n; i++) h.update(blockAt(i)); return h.digest('hex') }
const BLOCKS = GiB / block.length

// A PUT whose body is blocks; the answer's { status, text }.
function putBlocks(key, from, n, query = []) {
  const length = n * block.length
  const r = signed(env, { method: 'PUT', path: `/${env.R2_BUCKET}/${key}`, query, payload: 'UNSIGNED-PAYLOAD', headers: { 'content-length': length } })
  return new Promise((resolve, reject) => {
    const req = http.request(r.url, { method: 'PUT', headers: r.headers }, (res) => {
      let text = ''
      res.setEncoding('utf8').on('data', (d) => (text += d)).on('end', () => resolve({ status: res.statusCode, text, headers: res.headers }))
    })
    req.on('error', reject)
    ;(async () => {
      for (let i = from; i < from + n; i++) if (!req.write(blockAt(i))) await new Promise((r) => req.once('drain', r))
      req.end()
    })()
  })
}

// The digest of an object, read as it comes.
function getDigest(key) {
  const r = signed(env, { path: `/${env.R2_BUCKET}/${key}` })
  return new Promise((resolve, reject) => http.get(r.url, { headers: r.headers }, (res) => {
    const h = createHash('sha256')
    res.on('data', (d) => h.update(d)).on('end', () => resolve([res.statusCode, h.digest('hex')])).on('error', reject)
  }).on('error', reject))
}

const part = async (key, id, n, from, blocks) => {
  const r = await putBlocks(key, from, blocks, [['partNumber', String(n)], ['uploadId', id]])
  assertSame(r.status, 200, r.text)
  return `<Part><PartNumber>${n}</PartNumber><ETag>${r.headers.etag}</ETag></Part>`
}
const begin = async (key) => /<UploadId>([^<]*)/.exec((await raw(env, { method: 'POST', key, query: [['uploads', '']] })).text)[1]
const complete = (key, id, parts) => raw(env, { method: 'POST', key, query: [['uploadId', id]], body: `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`, timeout: 120_000 })

try {
  await check('warm: every kind of request once, so that what follows is what large bodies cost', async () => {
    for (let i = 0; i < 3; i++) {
      assertSame((await putBlocks('warm', 0, 8)).status, 200)
      assertSame(await getDigest('warm'), [200, digest(0, 8)])
      const id = await begin('warm-parts')
      const parts = []
      await eachOf([1, 2, 3, 4], 4, async (n) => { parts[n - 1] = await part('warm-parts', id, n, n, 2) })
      assertSame((await complete('warm-parts', id, parts)).status, 200)
    }
  })
  const want = digest(0, BLOCKS)
  await check('1 GiB in one PUT', async () => {
    const t0 = performance.now()
    const r = await rise(async () => { const r = await putBlocks('single', 0, BLOCKS); assertSame(r.status, 200, r.text) })
    note(`PUT of 1 GiB: ${Math.round(1024 / ((performance.now() - t0) / 1000))} MiB/s, ${told(r)}`)
    assert(r.rss <= RISE, told(r))
  })
  await check('1 GiB read', async () => {
    let got
    const t0 = performance.now()
    const r = await rise(async () => { got = await getDigest('single') })
    note(`GET of 1 GiB: ${Math.round(1024 / ((performance.now() - t0) / 1000))} MiB/s, ${told(r)}`)
    assertSame(got, [200, want])
    assert(r.rss <= RISE, told(r))
  })
  await check('1 GiB in 32 parts, four at a time', async () => {
    const parts = []
    const t0 = performance.now()
    let done
    const r = await rise(async () => {
      const id = await begin('parts')
      await eachOf(Array.from({ length: 32 }, (_, i) => i), 4, async (i) => { parts[i] = await part('parts', id, i + 1, i * 4, 4) })
      done = await complete('parts', id, parts)
    })
    note(`1 GiB in parts: ${Math.round(1024 / ((performance.now() - t0) / 1000))} MiB/s, ${told(r)}`)
    assertSame(done.status, 200, done.text)
    assert(r.rss <= RISE + 4 * GATHERED, told(r))
    assertSame(await getDigest('parts'), [200, want])
  })
  await check(`${SLOW} slow uploads at once: each is stored, memory is bounded, others are served meanwhile`, async () => {
    const { hostname, port } = new URL(env.R2_ENDPOINT)
    const N = 8 * 1024
    const results = []
    const others = []
    const meanwhile = new Meanwhile()
    const r = await rise(async () => {
      const slow = Array.from({ length: SLOW }, (_, i) => new Promise((resolve, reject) => {
        const body = bytes(N, i + 1)
        const s = signed(env, { method: 'PUT', path: `/${env.R2_BUCKET}/slow/${i}`, payload: 'UNSIGNED-PAYLOAD', headers: { 'content-length': N } })
        const socket = net.connect(Number(port), hostname, () => socket.write(`PUT ${new URL(s.url).pathname} HTTP/1.1\r\n${Object.entries(s.headers).map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n`))
        let at = 0
        const timer = setInterval(() => {
          socket.write(body.subarray(at, at + N / 8))
          at += N / 8
          if (at >= N) clearInterval(timer)
        }, 1000 + (i % 100))
        let text = ''
        socket.setEncoding('latin1').on('data', (d) => {
          text += d
          if (!text.includes('\r\n\r\n')) return
          clearInterval(timer)
          results[i] = text.split('\r\n')[0]
          socket.destroy()
          resolve()
        })
        socket.on('error', (e) => { clearInterval(timer); reject(new Error(`upload ${i}: ${e.message}`)) })
        socket.on('close', () => { clearInterval(timer); resolve() })
      }))
      const served = (async () => {
        for (let i = 0; i < 30; i++) {
          await sleep(250)
          const t0 = performance.now()
          assertSame((await raw(env, { method: 'PUT', key: 'beside', body: 'x' })).status, 200)
          others.push(performance.now() - t0)
        }
      })()
      await Promise.all([...slow, served])
    })
    note(`${SLOW} slow uploads: ${told(r)}; another PUT meanwhile took ${others.sort((a, b) => a - b)[15].toFixed(1)} ms in the middle, ${others.at(-1).toFixed(1)} ms at most`)
    assertSame([...new Set(results)], ['HTTP/1.1 200 OK'])
    assert(r.rss <= (SLOW * PER_SLOW) / 1024, told(r))
    assert(meanwhile.allows(others[15], 100), `another PUT took ${others[15]} ms`)
    for (let i = 0; i < SLOW; i += 37) assert((await raw(env, { key: `slow/${i}` })).raw.equals(bytes(N, i + 1)), `object ${i} differs`)
  })
  await check('what is given up in the middle leaves nothing', async () => {
    const r = signed(env, { method: 'PUT', path: `/${env.R2_BUCKET}/given-up`, payload: 'UNSIGNED-PAYLOAD', headers: { 'content-length': GiB } })
    const req = http.request(r.url, { method: 'PUT', headers: r.headers })
    req.on('error', () => {})
    for (let i = 0; i < 8; i++) req.write(blockAt(i))
    await sleep(1500)
    req.destroy()
    await sleep(500)
    assertSame((await raw(env, { key: 'given-up' })).status, 404)
  })
} finally {
  await storage.stop()
  await cleanUp()
}
finish()
