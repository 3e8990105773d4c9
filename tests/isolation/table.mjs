// Runs matrix.mjs: each cell on a fresh connection, and again on one that the own key has used before.
import http from 'node:http'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { Daemon, request, tempFolder } from '../lib/daemon.mjs'
import path from 'node:path'
import { inHeader } from '../s3matrix/sign.mjs'
import { Pool } from '../s3matrix/wire.mjs'
import { admin, credentials, database, storage } from './matrix.mjs'
import { bytes, content, everybody, register } from './world.mjs'


export async function run(base) {
  const { daemon, ctx, data } = await everybody(base)
  ctx.adminToken = daemon.adminToken
  const built = ['own', 'other', 'revoked', 'expired', 'victim']
  const first = { register: await register(daemon), content: Object.fromEntries(built.map((id) => [id, content(daemon, id)])) }

  for (const op of database) await row(daemon, ctx, op, daemon.databaseUrl, databaseCell)
  await storageRows(daemon, ctx)
  for (const op of admin) await row(daemon, ctx, op, daemon.adminUrl, adminCell)
  for (const op of admin) await row(daemon, ctx, op, daemon.adminUrl, adminCell, { socketPath: path.join(data, 'admin.sock') })

  await check('after all of it the data of every other build is what it was', () => {
    for (const id of built.filter((x) => x !== 'own' && x !== 'other')) assertSame(content(daemon, id), first.content[id], id)
    assert(!content(daemon, 'other').includes('secret of own') && !content(daemon, 'own').includes('secret of other'), 'data of one in the other')
  })
  await check('the admin token does what the table refused to all others', async () => {
    for (const op of admin) {
      const q = op.make(ctx)
      const r = await daemon.admin(q.method, q.path, { body: q.body })
      assert(op.served ? r.status === op.served : r.status >= 200 && r.status < 300, `${op.name}: ${r.status} ${r.text.slice(0, 200)}`)
      op.then?.(ctx, r)
    }
    assertSame((await daemon.pipeline(ctx.victim.token, { requests: [] })).status, 401, 'the deleted victim’s key')
  })
  await check('no folder was made for a key that opens nothing', async () => {
    const fs = await import('node:fs')
    assertSame(fs.readdirSync(path.join(data, 'builds')).sort(), ['expired', 'other', 'own', 'revoked'])
  })
  await daemon.stop()
}

// All credentials against one request kind: one line of the table.
async function row(daemon, ctx, op, url, cell, more = {}) {
  const via = more.socketPath ? ', by the socket' : ''
  await check(`${op.who === 'admin' || url === daemon.adminUrl ? 'admin' : 'database'}: ${op.name} × ${credentials.length} credentials${via}`, async () => {
    let n = 0
    for (const cred of credentials)
      for (const reuse of more.socketPath || op.make(ctx).once ? [false] : [false, true]) {
        await cell(daemon, ctx, op, cred, url, { ...more, reuse })
        n++
      }
    assert(n >= credentials.length, 'cells')
  })
}

// The storage service's rows: nothing but a signature of the build itself is taken.
async function storageRows(daemon, ctx) {
  const url = new URL(ctx.own.env.R2_ENDPOINT)
  const pool = new Pool(Number(url.port))
  const keyOf = (b) => ({ id: b.env.R2_ACCESS_KEY_ID, secret: b.env.R2_SECRET_ACCESS_KEY })
  const request = (q, more = []) => ({ ...q, query: q.query ?? '', body: q.body ?? '', headers: [['Host', url.host], ...(q.body?.length ? [['Content-Length', q.body.length]] : []), ...(q.headers ?? []), ...more] })
  const signed = (b, q) => inHeader(keyOf(b), request(q), { payload: q.payload })
  const signers = ['other', 'revoked', 'expired', 'deleted', 'foreign'].map((name) => [name, (q) => signed(ctx[name], q)])
  signers.push(['own, with the secret of the other', (q) => inHeader({ id: keyOf(ctx.own).id, secret: keyOf(ctx.other).secret }, request(q), { payload: q.payload })])
  signers.push(['own, of another request', (q) => ({ ...signed(ctx.own, { ...q, path: `${q.path}x` }), path: q.path })])
  const up = () => pool.ask(signed(ctx.own, { method: 'POST', path: `/vk-${ctx.own.id}/up`, query: 'uploads=' }))
  ctx.upload = /<UploadId>(.*?)</.exec((await up()).text)[1]
  for (const op of storage)
    await check(`storage: ${op.name} × ${credentials.length + signers.length} credentials`, async () => {
      const refused = (r, who) => {
        const what = `${op.name} with ${who}: ${r.status} ${r.text.slice(0, 200)}`
        assert(op.open ? op.open.includes(r.status) : [400, 403, 431].includes(r.status), what)
        if (op.open || !r.body.length) return
        assert(r.one('content-type') === 'application/xml' && /^[A-Z][A-Za-z]+$/.test(r.code), what)
        assert(!r.text.includes(keyOf(ctx.own).secret.slice(0, 16)) && !/secret of/.test(r.text), what)
      }
      const before = [bytes(daemon, 'own'), bytes(daemon, 'other')]
      const q = op.make(ctx)
      for (const cred of credentials) refused(await pool.ask(request({ ...q, query: [q.query, cred.query?.(ctx).slice(1)].filter(Boolean).join('&') }, Object.entries(cred.headers(ctx)))), cred.name)
      for (const [name, sign] of signers) {
        const r = await pool.ask(sign(q))
        if (op.anyKey && name === 'other') assert(r.status === (op.served ?? 200) && !r.text.includes('vk-own<'), `${op.name} with another’s key: ${r.status} ${r.text}`)
        else refused(r, name)
      }
      assertSame([bytes(daemon, 'own'), bytes(daemon, 'other')], before, `${op.name} changed something`)
      const r = await pool.ask(signed(ctx.own, q))
      assert(op.open ? op.open.includes(r.status) : r.status === (op.served ?? 200), `${op.name} with the own signature: ${r.status} ${r.text}`)
      assertSame(bytes(daemon, 'other'), before[1], `${op.name} with the own signature changed the other build`)
    })
  pool.close()
}

async function send(daemon, url, q, cred, ctx, { socketPath, reuse }) {
  let agent
  if (reuse) {
    agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    const warm = url === daemon.adminUrl
      ? await request(`${url}/api/v1/status`, { agent, headers: { Authorization: `Bearer ${ctx.adminToken}` } })
      : await request(`${url}/v2/pipeline`, { method: 'POST', agent, headers: { Authorization: `Bearer ${ctx.own.token}` }, body: { requests: [{ type: 'close' }] } })
    assertSame(warm.status, 200, 'warming up')
  }
  try {
    if (socketPath) return await bySocket(socketPath, q, cred, ctx)
    return await request(url + q.path + (cred.query?.(ctx) ?? ''), { method: q.method, agent, headers: { ...cred.headers(ctx), ...(q.body === undefined ? {} : { 'Content-Type': 'application/json' }) }, body: q.body, timeout: 20000 })
  } finally {
    agent?.destroy()
  }
}

function bySocket(socketPath, q, cred, ctx) {
  return new Promise((resolve, reject) => {
    const body = q.body === undefined ? undefined : JSON.stringify(q.body)
    const r = http.request({ socketPath, agent: false, method: q.method, path: q.path + (cred.query?.(ctx) ?? ''), headers: { Host: 'localhost', ...cred.headers(ctx), ...(body ? { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) } : {}) } }, (res) => {
      let text = ''
      res.setEncoding('utf8').on('data', (d) => (text += d)).on('end', () => resolve({ status: res.statusCode, type: res.headers['content-type'], headers: res.headers, text, json: () => JSON.parse(text) }))
    })
    r.on('error', reject)
    r.end(body)
  })
}

const mark = (op, cred, r) => `${op.name} with ${cred.name}: ${r.status} ${r.text.slice(0, 200)}`

async function databaseCell(daemon, ctx, op, cred, url, how) {
  // A stream of the own build that has a transaction open; nobody else may go on with it or end it.
  const held = op.baton ? (await daemon.pipeline(ctx.own.token, { requests: [{ type: 'execute', stmt: { sql: 'BEGIN' } }, { type: 'execute', stmt: { sql: 'SELECT count(*) FROM t' } }] })).json().baton : undefined
  const before = [bytes(daemon, 'own'), bytes(daemon, 'other')]
  const q = op.make({ ...ctx, baton: held })
  let r
  try {
    r = await send(daemon, url, q, cred, ctx, how)
  } catch (e) {
    // A body that was not read may end in a reset; that is a refusal, too. Nothing else may.
    if (op.served === 413 && /ECONNRESET|EPIPE/.test(e.code)) r = { status: 413, text: '', type: 'application/json', json: () => ({ message: 'reset', code: 'AUTH_' }) }
    else throw e
  }
  const mine = cred.is === 'own' || (cred.is === 'other' && !op.baton)
  if (op.who === 'open') {
    if (cred.status?.includes(r.status)) return
    assertSame(r.status, 200, mark(op, cred, r))
  } else if (mine) {
    const fine = [op.served ?? 200, ...(op.mayBeMissing ? [404, 501] : [])]
    assert(fine.includes(r.status), mark(op, cred, r))
    if (cred.is === 'other') assertSame(bytes(daemon, 'own'), before[0], `${op.name} with the other build’s key changed the own one`)
    else assertSame(bytes(daemon, 'other'), before[1], `${op.name} with the own key changed the other build`)
    if (op.after) await daemon.pipeline(cred.is === 'own' ? ctx.own.token : ctx.other.token, { baton: r.json().baton, requests: [{ type: 'close' }] })
  } else if (cred.is === 'other') {
    assertSame([r.status, r.type, r.text], [400, 'text/plain', 'Received an invalid baton'], mark(op, cred, r))
  } else {
    refused(op, cred, r, ctx)
  }
  if (!mine || op.who === 'open') assertSame([bytes(daemon, 'own'), bytes(daemon, 'other')], before, `${op.name} with ${cred.name} changed something`)
  if (!held) return
  // The stream still belongs to its build: unless its owner just used it, the baton is good.
  const baton = cred.is === 'own' ? r.json().baton : held
  if (cred.is === 'own' && op.ends) return assertSame(baton, null)
  const on = await daemon.pipeline(ctx.own.token, { baton, requests: [{ type: 'get_autocommit' }, { type: 'close' }] })
  assertSame([on.status, on.json().results?.[0].response.is_autocommit], [200, false], `the stream after ${cred.name}: ${on.text}`)
}

function refused(op, cred, r, ctx) {
  const allowed = [...(cred.status ?? [401, 403]), ...(op.served === 413 ? [413] : [])]
  assert(allowed.includes(r.status), mark(op, cred, r))
  if (![401, 403].includes(r.status)) return
  assertSame(r.type, 'application/json', `content type; ${mark(op, cred, r)}`)
  const b = r.json()
  assertSame(Object.keys(b).sort(), ['code', 'message'], mark(op, cred, r))
  assert((cred.code ?? /^AUTH_/).test(b.code) && b.message.length > 10, mark(op, cred, r))
  assert(!r.text.includes(ctx.own.token.slice(0, 20)) && !/secret of/.test(r.text), `the answer shows too much: ${r.text}`)
}

async function adminCell(daemon, ctx, op, cred, url, how) {
  if (cred.is === 'admin') return // done at the end, since it does what it says
  const before = await register(daemon)
  const files = bytes(daemon, 'own')
  const r = await send(daemon, url, op.make(ctx), cred, ctx, how)
  if (op.who === 'open') {
    if (!cred.status?.includes(r.status)) assertSame(r.status, 200, mark(op, cred, r))
  } else {
    const allowed = cred.status ?? [401, 403]
    assert(allowed.includes(r.status), mark(op, cred, r))
    if ([401, 403].includes(r.status)) {
      assertSame(r.type, 'application/json', mark(op, cred, r))
      const { error } = r.json()
      assert(typeof error.code === 'string' && error.message.length > 10, mark(op, cred, r))
      assert(!r.text.includes('vk_') && !/"id"/.test(r.text), `the answer shows too much: ${r.text}`)
    }
  }
  assertSame(await register(daemon), before, `${op.name} with ${cred.name} changed the builds`)
  assertSame(bytes(daemon, 'own'), files, `${op.name} with ${cred.name} changed files of the build`)
}
