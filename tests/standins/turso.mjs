// The stand-in of Turso, as the vendor's own clients see it: @tursodatabase/api for the Platform API, @libsql/client for a database.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { createClient } from '@tursodatabase/api'
import { createClient as createDatabase } from '@libsql/client'
import { Daemon, cleanUp, portBase, tempFolder } from '../lib/daemon.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { Turso, WANTED, platformToken } from '../upstreams/turso.mjs'

const fails = (promise) => promise.then(() => undefined, (e) => e)

export async function turso() {
  const data = await new Daemon({ portBase: await portBase() }).start()
  const [whole, narrow, reader] = [platformToken(), platformToken(), platformToken()]
  const stand = await new Turso({
    org: 'acme',
    groups: ['default', 'other'],
    tokens: [{ token: whole }, { token: narrow, group: 'default', scopes: WANTED }, { token: reader, group: 'default', scopes: ['read'] }],
    data: { admin: data.adminUrl, token: data.adminToken },
  }).start()
  const client = (token) => createClient({ org: 'acme', token, baseUrl: `${stand.base}/v1/` })
  const api = client(narrow)

  await check('turso: what the organisation has, by the vendor’s client', async () => {
    assertSame((await client(whole).organizations.list()).map((o) => o.slug), ['acme'])
    assert((await api.locations.list()).some((l) => l.code === 'aws-us-east-1'), 'locations')
    assertSame((await api.groups.list()).map((g) => g.name), ['default'])
    assertSame((await api.groups.get('default')).name, 'default')
    assertSame(await client(whole).apiTokens.validate(whole), { valid: false, expiry: -1 })
  })
  await check('turso: a database is made, listed, looked at, used, and deleted', async () => {
    const made = await api.databases.create('shop', { group: 'default', size_limit: '256mb' })
    assertSame(made.name, 'shop')
    assertSame((await api.databases.list({ group: 'default' })).map((d) => d.name), ['shop'])
    assertSame(await api.databases.list({ group: 'other' }), [])
    const got = await api.databases.get('shop')
    assertSame([got.id, got.hostname, got.group], [made.id, made.hostname, 'default'])
    const { jwt } = await api.databases.createToken('shop', { expiration: '2w1d30m', authorization: 'full-access' })
    const claims = JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url'))
    assert(Math.abs(claims.exp - Date.now() / 1000 - (15 * 86400 + 1800)) < 60, claims)
    const db = createDatabase({ url: made.hostname, authToken: jwt })
    await db.execute('CREATE TABLE t (a TEXT)')
    await db.execute({ sql: 'INSERT INTO t VALUES (?)', args: ['one'] })
    assertSame((await db.execute('SELECT a FROM t')).rows[0].a, 'one')
    const usage = await api.databases.usage('shop', { from: new Date(Date.now() - 1000) })
    assert(usage.uuid === made.id && usage.total.storage_bytes > 0, usage)
    await api.databases.rotateTokens('shop')
    const e = await fails(db.execute('SELECT 1'))
    assert(/401/.test(String(e)), `a rotated token: ${e}`)
    assertSame(await api.databases.delete('shop'), { database: 'shop' })
    assertSame((await fails(api.databases.get('shop'))).message, 'could not find database with name [shop]: record not found')
  })
  await check('turso: rows of two databases are apart, and so are their tokens', async () => {
    const [a, b] = [await api.databases.create('a', { group: 'default' }), await api.databases.create('b', { group: 'default' })]
    const [ka, kb] = [(await api.databases.createToken('a', { expiration: '1d' })).jwt, (await api.databases.createToken('b', { expiration: '1d' })).jwt]
    await createDatabase({ url: a.hostname, authToken: ka }).execute('CREATE TABLE only_a (x)')
    assertSame((await createDatabase({ url: b.hostname, authToken: kb }).execute('SELECT count(*) AS n FROM sqlite_schema')).rows[0].n, 0)
    assert(await fails(createDatabase({ url: b.hostname, authToken: ka }).execute('SELECT 1')), 'a’s token at b')
    await api.databases.delete('a')
    const again = await api.databases.create('a', { group: 'default' })
    const k2 = (await api.databases.createToken('a', { expiration: '1d' })).jwt
    assertSame((await createDatabase({ url: again.hostname, authToken: k2 }).execute('SELECT count(*) AS n FROM sqlite_schema')).rows[0].n, 0)
    await api.databases.delete('a')
    await api.databases.delete('b')
  })
  await check('turso: what it refuses, as its documentation says', async () => {
    const e = async (promise) => ((x) => [x?.status, x?.message])(await fails(promise))
    await api.databases.create('one', { group: 'default' })
    assertSame(await e(api.databases.create('one', { group: 'default' })), [409, 'database with name [one] already exists'])
    assertSame(await e(client(whole).databases.create('two', { group: 'none' })), [400, 'group not found'])
    assertSame((await e(api.databases.create('Two!', { group: 'default' })))[0], 400)
    assertSame((await e(api.databases.create('two', { group: 'other' })))[0], 403)
    assertSame((await e(api.databases.create('two', { group: 'default', size_limit: 'large' })))[0], 400)
    assertSame((await e(api.databases.create('two', { group: 'default', colour: 'red' })))[0], 400)
    assertSame(await e(api.databases.createToken('one', { expiration: 'soon' })), [400, 'Invalid expiration format'])
    assertSame((await e(client(reader).databases.createToken('one')))[0], 403)
    assertSame((await e(client(reader).databases.delete('one')))[0], 403)
    assertSame((await e(client('eyJx.eyJy.z').databases.list()))[0], 401)
    const { jwt } = await api.databases.createToken('one')
    assert(/parse jwt id/.test((await e(client(jwt).databases.list()))[1]), 'a database token at the Platform API')
    assertSame(stand.state().databases[0].never, 1)
    stand.act('protect', { name: 'one' })
    assertSame((await e(api.databases.delete('one')))[0], 400)
    stand.act('protect', { name: 'one', on: false })
    stand.settings.databases = 1
    assertSame((await e(api.databases.create('two', { group: 'default' })))[0], 402)
    delete stand.settings.databases
    await api.databases.delete('one')
  })
  await check('turso: a whole SQLite file is taken when it is one that may be', async () => {
    const folder = tempFolder()
    const make = (name, pragma) => {
      const at = path.join(folder, name)
      execFileSync('python3', ['-c', `import sqlite3,sys\nc = sqlite3.connect(sys.argv[1])\nc.executescript("""${pragma}; CREATE TABLE t (a, b); INSERT INTO t VALUES ('it''s', x'00ff'), (NULL, 1.5); CREATE INDEX i ON t (a);""")\nc.close()`, at])
      return fs.readFileSync(at)
    }
    const { hostname } = await api.databases.create('up', { group: 'default', seed: { type: 'database_upload' } })
    const { jwt } = await api.databases.createToken('up', { expiration: '1d' })
    const post = (body, token = jwt) => fetch(`${hostname}/v1/upload`, { method: 'POST', headers: { Authorization: `Bearer ${token}` }, body }).then((r) => r.status)
    assertSame(await post(make('delete.db', 'PRAGMA journal_mode=DELETE')), 400)
    assertSame(await post(make('page.db', 'PRAGMA page_size=1024; PRAGMA journal_mode=WAL')), 400)
    assertSame(await post(make('auto.db', 'PRAGMA auto_vacuum=FULL; PRAGMA journal_mode=WAL')), 400)
    assertSame(await post(Buffer.from('no file')), 400)
    const good = make('good.db', 'PRAGMA journal_mode=WAL')
    assertSame(await post(good, narrow), 401)
    assertSame(await post(good), 200)
    assertSame(await post(good), 400)
    const rows = (await createDatabase({ url: hostname, authToken: jwt }).execute('SELECT a, hex(b) AS h, b FROM t')).rows
    assertSame([rows[0].a, rows[0].h, rows[1].b], ['it\'s', '00FF', 1.5])
    await api.databases.delete('up')
  })
  await check('turso: what a plan of faults does to its client', async () => {
    stand.plan({ method: 'POST', path: '/v1/organizations/*/databases', kind: 'error', status: 502, when: 'after' }, { method: 'GET', path: '/v1/organizations/*/databases/half', kind: 'act', act: 'delete', args: { name: 'half' } })
    assertSame((await fails(api.databases.create('half', { group: 'default' }))).status, 502)
    assertSame(stand.state().databases.map((d) => d.name), ['half'])
    assertSame((await fails(api.databases.get('half'))).status, 404)
    stand.settings.lag = 60_000
    const { hostname } = await api.databases.create('late', { group: 'default' })
    const { jwt } = await api.databases.createToken('late', { expiration: '1d' })
    await api.databases.rotateTokens('late')
    await createDatabase({ url: hostname, authToken: jwt }).execute('SELECT 1')
    stand.settings.lag = 0
    await stand.act('expire', { name: 'late' })
    assert(await fails(createDatabase({ url: hostname, authToken: jwt }).execute('SELECT 1')), 'it has ended now')
    await api.databases.delete('late')
  })
  await stand.stop()
  await cleanUp()
}
