// tests/data/hrana-http-samples.json, in order, against one fresh build.
import fs from 'node:fs'
import { assert, assertSame, check, note } from '../lib/tap.mjs'
import { request, root } from '../lib/daemon.mjs'

const file = JSON.parse(fs.readFileSync(`${root}/tests/data/hrana-http-samples.json`, 'utf8'))
// What differs from run to run or is a server's own counting.
const MASKED = ['rows_read', 'rows_written', 'query_duration_ms', 'replication_index']

export function masked(v) {
  if (Array.isArray(v)) return v.map(masked)
  if (v === null || typeof v !== 'object') return v
  return Object.fromEntries(Object.entries(v).filter(([k]) => !MASKED.includes(k)).map(([k, x]) => [k, k === 'baton' && x !== null ? '<opaque baton>' : masked(x)]))
}

// Names that are looked at elsewhere: sqld's bare shape is the one we must not send; expiry takes time (streams.mjs).
const ELSEWHERE = ['unauthorized_bare_shape', 'stream_expired']

export async function run(daemon) {
  const token = (await daemon.createBuild('samples')).env.TURSO_AUTH_TOKEN
  const batons = []
  let replayed = 0
  for (const s of file.samples) {
    if (ELSEWHERE.includes(s.name)) continue
    replayed++
    await check(`sample ${s.name}`, async () => {
      const body = s.request.body === null ? undefined : typeof s.request.body === 'string' ? s.request.body : structuredClone(s.request.body)
      if (body?.baton) body.baton = s.name === 'old_baton_is_invalid' ? batons.at(-2) : batons.at(-1)
      const key = s.name.startsWith('unauthorized') ? token.slice(0, -1) + (token.endsWith('0') ? '1' : '0') : token
      const r = await request(daemon.databaseUrl + s.request.path, {
        method: s.request.method,
        headers: { Authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
        body,
      })
      if (s.name === 'cursor' && r.status !== 200) return notSupported(r)
      assertSame(r.status, s.response.status, `status (${r.text.slice(0, 200)})`)
      if (s.request.method === 'GET') return
      if (s.name === 'cursor') return cursor(r, s)
      assertSame(r.type, s.response.content_type, 'content type')
      if (s.response.content_type === 'text/plain') {
        assert(r.text === s.response.body || (s.note && r.text.startsWith(s.response.body)), `body: ${r.text}`)
        return
      }
      const got = r.json()
      if (s.name === 'unauthorized_recommended') {
        assertSame(Object.keys(got).sort(), ['code', 'message'], 'members')
        assertSame(got.code, s.response.body.code, 'code')
        assert(got.message.length > 10, `message: ${got.message}`)
        return
      }
      const want = typeof s.response.body === 'string' ? JSON.parse(s.response.body) : s.response.body
      assertSame(masked(got), masked(want), 'body')
      if (got.baton) batons.push(got.baton)
    })
  }
  await check('all samples were replayed', () => assertSame(replayed, file.samples.length - ELSEWHERE.length))
}

function cursor(r, s) {
  const lines = r.text.trim().split('\n').map((l) => JSON.parse(l))
  assertSame(masked(lines), masked(s.response.body), 'lines')
}

// What is not there says so, in a shape that clients show to people.
export function notSupported(r) {
  note(`not supported: ${r.status} ${r.text.slice(0, 160)}`)
  assert([404, 405, 426, 501].includes(r.status), `status ${r.status}`)
  assertSame(r.type, 'application/json', 'content type')
  const b = r.json()
  assert(typeof b.message === 'string' && b.message.length > 10 && typeof b.code === 'string' && b.code, `body ${r.text}`)
}
