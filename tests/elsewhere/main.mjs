// One daemon. Turso is played by another build of it, behind a proxy that swaps the credentials, R2 by its stand-in; the other vendors are not asked.
import { execFileSync } from 'node:child_process'
import http from 'node:http'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { randomBytes } from 'node:crypto'
import { Daemon, cleanUp, portBase, request, tempFolder } from '../lib/daemon.mjs'
import { entered } from '../lib/brokered.mjs'
import { raw } from '../lib/s3.mjs'
import { assert, assertSame, check, finish } from '../lib/tap.mjs'
import { VENDORS } from '../lib/vendors.mjs'
import { Socket } from '../lib/ws.mjs'

const b64 = (n) => randomBytes(n).toString('base64url')
const databaseToken = `eyJ${b64(20)}.eyJ${b64(40)}.${b64(64)}`
const sql = (s) => ({ requests: [{ type: 'execute', stmt: { sql: s } }, { type: 'close' }] })
let away = 0

/** What plays Turso: `build`'s database, for who shows the token. */
async function turso(daemon, build) {
  const server = http.createServer((ask, answer) => {
    if (ask.headers.authorization !== `Bearer ${databaseToken}`) return answer.writeHead(401).end()
    away++
    const up = http.request({ host: '127.0.0.1', port: daemon.portBase + 2, method: ask.method, path: ask.url, headers: { ...ask.headers, host: `127.0.0.1:${daemon.portBase + 2}`, authorization: `Bearer ${build.env.TURSO_AUTH_TOKEN}` } }, (r) => {
      answer.writeHead(r.statusCode, r.headers)
      r.pipe(answer)
    })
    up.on('error', () => answer.destroy())
    ask.pipe(up)
  })
  await new Promise((r) => server.listen(0, '127.0.0.1', r))
  server.unref()
  return `http://127.0.0.1:${server.address().port}`
}

try {
  const daemon = await new Daemon({ portBase: await portBase() }).start()
  const shop = await daemon.createBuild('shop')
  const vendor = await daemon.createBuild('vendor')
  const key = shop.env.TURSO_AUTH_TOKEN
  const at = (service, call) => `/api/v1/builds/shop/services/${service}/${call}`
  const use = async (...args) => {
    const r = await daemon.cli(['build', 'use', 'shop', ...args], { input: `database_token=${databaseToken}\n` })
    assertSame(r.code, 0, r.stderr)
  }
  const all = (run) => Promise.all(['auth clerk', 'payments stripe soft=yes', 'storage r2'].map((x) => run(...x.split(' '))))

  assertSame((await daemon.pipeline(key, sql('CREATE TABLE here (x)'))).status, 200)
  assertSame((await daemon.admin('POST', at('database', 'snapshots'), { body: { name: 'one' } })).status, 201)
  assertSame((await daemon.admin('POST', at('auth', 'users'), { body: { email_address: ['ada@example.com'], skip_password_requirement: true } })).status, 200)
  assertSame((await daemon.admin('POST', at('payments', 'seed'), { body: { products: [{ id: 'prod_here', name: 'Here' }] } })).status, 200)

  const made = await fetch(`http://127.0.0.1:${daemon.portBase + 4}/v1/checkout/sessions`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${shop.env.STRIPE_SECRET_KEY}`, 'Content-Type': 'application/x-www-form-urlencoded' },
    body: 'mode=payment&success_url=http://localhost:3000/&line_items[0][quantity]=1&line_items[0][price_data][currency]=eur&line_items[0][price_data][unit_amount]=500&line_items[0][price_data][product]=prod_here',
  })
  const page = (await made.json()).url
  assertSame((await fetch(page)).status, 200, page)

  const socket = await Socket.open(daemon.portBase + 2, {})
  assertSame((await socket.hello(key)).type, 'hello_ok')
  assertSame((await socket.ask({ type: 'open_stream', stream_id: 1 })).type, 'response_ok')

  // One instance at Clerk for all; a bucket at R2 is made.
  await entered(daemon, ['keys', 'set', 'clerk'], { publishable_key: `pk_test_${Buffer.from('sunny-otter-12.clerk.accounts.dev$').toString('base64')}`, secret_key: `sk_test_${b64(30).replace(/[-_]/g, 'x')}` })
  const r2 = await VENDORS.r2.start({ admin: daemon.adminUrl, token: daemon.adminToken })
  await entered(daemon, ['keys', 'set', 'r2'], r2.keys)
  const hostname = await turso(daemon, vendor)
  await use('database', 'turso', `hostname=${hostname}`)
  await all(use)

  await check('a WebSocket that was open is not served from the files any more', async () => {
    assertSame(await socket.sql(1, 'SELECT * FROM here'), undefined)
    const end = await socket.closed
    assertSame(end.code, 1008, end.reason)
    assert(/at a vendor now/.test(end.reason), end.reason)
  })

  await check('a payment page of before takes no money', async () => assertSame((await fetch(page)).status, 404))

  await check('requests go to the vendor', async () => {
    const r = await daemon.pipeline(key, sql('SELECT * FROM here'))
    assertSame(r.headers['valetkey-served-by'], 'org')
    assert(/no such table/.test(r.text), r.text)
    assertSame(away, 1)
  })

  await check('while keeper does not answer: each says so in its vendor’s shape and to try again, and what is embedded goes on', async () => {
    const keeper = daemon.children().find((c) => c.role === 'keeper').pid
    const clerk = { headers: { Authorization: `Bearer ${shop.env.CLERK_SECRET_KEY}` } }
    const stripe = { headers: { Authorization: `Bearer ${shop.env.STRIPE_SECRET_KEY}` } }
    const object = `${shop.env.R2_PREFIX ?? ''}x`
    process.kill(keeper, 'SIGSTOP') // the supervisor ends one that does not answer
    const away = Promise.all([
      daemon.pipeline(key, sql('SELECT 1')),
      request(`http://127.0.0.1:${daemon.portBase + 1}/b/shop/bapi/v1/users`, clerk),
      request(`http://127.0.0.1:${daemon.portBase + 4}/v1/customers`, stripe),
      raw(shop.env, { key: object }),
    ])
    const other = await daemon.pipeline(vendor.env.TURSO_AUTH_TOKEN, sql('SELECT 1'))
    assertSame([other.status, other.headers['valetkey-served-by']], [200, 'embedded'])
    const [d, a, p, o] = await away
    assertSame([d, a, p, o].map((r) => r.status), [503, 503, 503, 503], [d, a, p, o].map((r) => r.text).join('\n'))
    assert(d.json().code === 'UNAVAILABLE' && d.headers['retry-after'], d.text)
    assert(a.json().errors[0].code === 'upstream_unavailable' && a.headers['retry-after'], a.text)
    assert(p.json().error.type === 'api_error' && p.headers['stripe-should-retry'] === 'true', p.text)
    assert(/<Code>(ServiceUnavailable|SlowDown)<\/Code>/.test(o.text), o.text)
    for (const r of [d, a, p, o]) assertSame(r.headers['valetkey-served-by'], 'org', r.text)
    for (let i = 0; (await daemon.pipeline(key, sql('SELECT 1'))).status !== 200; i++) {
      assert(i < 400, 'no call succeeds any more')
      await new Promise((r) => setTimeout(r, 50))
    }
  })

  const CALLS = [
    ['database', 'GET', 'export'], ['database', 'GET', 'ddl'], ['database', 'GET', 'snapshots'], ['database', 'POST', 'snapshots', {}], ['database', 'GET', 'snapshots/one/diff'],
    ['database', 'POST', 'snapshots/one/restore'], ['database', 'DELETE', 'snapshots/one'],
    ['auth', 'GET', 'export'], ['auth', 'GET', 'users'], ['auth', 'GET', 'users/export'], ['auth', 'GET', 'users/count'], ['auth', 'GET', 'outbox'], ['auth', 'POST', 'users', { email_address: ['eve@example.com'] }],
    ['payments', 'GET', 'export'], ['payments', 'GET', 'catalogue'], ['payments', 'POST', 'seed', { products: [] }],
    ['storage', 'GET', 'export'], ['storage', 'GET', 'objects'], ['storage', 'GET', 'usage'],
  ]
  const TITLE = { database: 'Turso', auth: 'Clerk', payments: 'Stripe', storage: 'R2' }
  for (const service of Object.keys(TITLE))
    await check(`operator's calls of ${service} say where the data is`, async () => {
      for (const [, method, call, body] of CALLS.filter(([s]) => s === service)) {
        const r = await daemon.admin(method, at(service, call), { body })
        assertSame(r.status, 409, `${method} ${call}: ${r.text}`)
        const { code, message } = r.json().error
        assertSame(code, 'conflict', r.text)
        assert(message.startsWith(`The ${service} service of "shop" is at ${TITLE[service]}: `) && message.endsWith(`valetkey build use shop ${service} embedded\`.`), `${method} ${call}: ${message}`)
      }
    })

  await check('the commands say so too', async () => {
    for (const args of [['db', 'download', 'shop', '--out', path.join(tempFolder(), 'x.db')], ['db', 'snapshot', 'shop'], ['db', 'ddl', 'shop'], ['auth', 'users', 'list', 'shop'], ['payments', 'export', 'shop'], ['storage', 'ls', 'shop']]) {
      const r = await daemon.cli(args)
      assert(r.code !== 0 && /service of "shop" is at /.test(r.stderr), `${args.join(' ')}: ${r.code} ${r.stderr} ${r.stdout}`)
    }
  })

  await check('a backup takes the files that there are', async () => {
    const file = path.join(tempFolder(), 'all.backup')
    mkdirSync(path.dirname(file), { recursive: true })
    const r = await daemon.cli(['backup', '--out', file])
    assert(r.code === 0 && existsSync(file), `${r.code} ${r.stderr}`)
    const names = execFileSync('tar', ['tf', file], { encoding: 'utf8' })
    for (const name of ['database.db', 'auth.db', 'payments.db']) assert(names.includes(`builds/shop/${name}`), names)
  })

  for (const service of ['auth', 'payments', 'storage']) await use(service, 'embedded') // an environment needs the organisation's keys
  await check('db apply runs through the build’s own key, and says that there is no snapshot', async () => {
    const dir = tempFolder()
    mkdirSync(dir, { recursive: true })
    writeFileSync(path.join(dir, '0001_first.sql'), 'CREATE TABLE applied (x);')
    const out = await daemon.mustCli(['db', 'apply', 'shop', dir])
    assert(/no snapshot: the database of shop is at a vendor \(turso\)/.test(out), out)
    writeFileSync(path.join(dir, '0002_second.sql'), 'ALTER TABLE applied ADD COLUMN y;')
    const r = JSON.parse(await daemon.mustCli(['db', 'apply', 'shop', dir, '--json']))
    assertSame(r.snapshot, null)
    assertSame(r.applied.length, 1)
    assertSame((await daemon.pipeline(vendor.env.TURSO_AUTH_TOKEN, sql('SELECT y FROM applied'))).status, 200)
  })

  await check('bound back, everything from before is there again', async () => {
    await use('database', 'embedded')
    const r = await daemon.pipeline(key, sql('SELECT * FROM here'))
    assert(!/no such table/.test(r.text) && r.headers['valetkey-served-by'] === 'embedded', r.text)
    assertSame((await daemon.admin('GET', at('database', 'snapshots'))).json().snapshots.length, 1)
    assertSame((await fetch(page)).status, 200)
    assertSame((await daemon.admin('GET', at('auth', 'users/count'))).json().total_count, 1)
    assert(/prod_here/.test((await daemon.admin('GET', at('payments', 'catalogue'))).text))
    assert(!/applied/.test((await daemon.pipeline(key, sql('SELECT name FROM sqlite_schema'))).text))
  })

  await check('a later build of the same id has nothing of what the one before had entered', async () => {
    const keys = async () => (await daemon.admin('GET', '/api/v1/keys?build=shop')).json().keys.filter((k) => k.vendor === 'turso').length // not what is made at R2, and ends in its own time
    assertSame(await keys(), 1)
    await daemon.mustCli(['build', 'delete', 'shop', '--yes'])
    assertSame(await keys(), 0)
    const again = await daemon.createBuild('shop')
    const before = away
    const r = await daemon.cli(['build', 'use', 'shop', 'database', 'turso', `hostname=${hostname}`, '--keep'])
    assert(r.code !== 0 && /none were entered/.test(r.stderr), `${r.code} ${r.stderr}`)
    assertSame((await daemon.pipeline(again.env.TURSO_AUTH_TOKEN, sql('SELECT 1'))).headers['valetkey-served-by'], 'embedded')
    assertSame((await daemon.pipeline(key, sql('SELECT 1'))).status, 401)
    assertSame(away, before)
  })
} finally {
  await cleanUp()
}
finish()
