// A full disk: the daemon on a small file system of its own. Writing fails with a clear error, reading goes on, nothing acknowledged
// is lost, and when there is space again writing works again, without a restart.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { assert, assertSame, check, note, ok } from '../lib/tap.mjs'
import { Daemon, tempFolder } from '../lib/daemon.mjs'
import { Pool } from '../auth/lib.mjs'
import { databaseFile, integrity } from './common.mjs'

const MB = 1 << 20

// Neither root nor sudo: the whole part again, in a user and mount name space where we are root.
function inNamespace() {
  const r = spawnSync('unshare', ['--user', '--map-root-user', '--mount', process.execPath, fileURLToPath(new URL('main.mjs', import.meta.url)), 'full'], { encoding: 'utf8', timeout: 240000 })
  if (r.error || !/^1\.\.\d+$/m.test(r.stdout)) return false
  for (const line of r.stdout.split('\n')) {
    const m = /^(not )?ok \d+ - (.*)$/.exec(line)
    if (m) ok(!m[1], m[2])
    else if (line.startsWith('#')) console.log(line)
  }
  return true
}

// A tmpfs of 24 MB, by root or by sudo without a password.
function mount(dir) {
  const as = process.getuid() === 0 ? [] : ['sudo', '-n']
  const argv = [...as, 'mount', '-t', 'tmpfs', '-o', `size=24m,mode=0700${as.length ? `,uid=${process.getuid()}` : ''}`, 'tmpfs', dir]
  const r = spawnSync(argv[0], argv.slice(1), { encoding: 'utf8' })
  if (r.status !== 0) return { why: `${argv.join(' ')}: ${(r.stderr ?? r.error?.message ?? '').trim()}` }
  return { unmount: () => spawnSync([...as, 'umount', '-l', dir][0], [...as, 'umount', '-l', dir].slice(1)) }
}

const fill = (file) => {
  const fd = fs.openSync(file, 'w')
  try { for (const size of [MB, 65536, 4096, 512]) for (;;) if (!write(fd, size)) break } finally { fs.closeSync(fd) }
}
const write = (fd, size) => { try { return fs.writeSync(fd, Buffer.alloc(size, 1)) === size } catch (e) { if (e.code === 'ENOSPC') return false; throw e } }

export async function run(base) {
  const dir = tempFolder('valetkey-full')
  const fsys = mount(dir)
  if (fsys.why && process.argv[2] !== 'full' && inNamespace()) return
  if (!ok(!fsys.why, 'full disk: a small file system can be made (as root, by sudo without a password, or in a name space)', fsys.why)) return
  const daemon = new Daemon({ portBase: base, data: path.join(dir, 'data') })
  const ballast = path.join(dir, 'ballast')
  try {
    await daemon.start()
    await scenario(daemon, ballast, dir)
  } finally {
    await daemon.stop()
    fsys.unmount()
  }
}

async function scenario(daemon, ballast, dir) {
  const one = (await daemon.createBuild('one')).env.TURSO_AUTH_TOKEN
  const two = (await daemon.createBuild('two')).env.TURSO_AUTH_TOKEN
  const pool = await Pool.of(daemon, 'people')
  const people = new Map() // of each user what was acknowledged last
  const user = async (size) => {
    const n = people.size
    const made = await pool.backend('POST', '/users', { external_id: `${n}`, email_address: [`p${n}@people.example`], skip_password_requirement: true, private_metadata: { v: 'x'.repeat(size) } })
    if (made.status === 200) people.set(made.body.id, size)
    return made
  }
  const browser = await pool.browser()
  await browser.signUp('ada@people.example', 'correct horse battery')
  await user(100)
  const everybodyThere = async () => {
    for (const [person, size] of people) assertSame((await pool.backend('GET', `/users/${person}`)).body.private_metadata?.v.length, size, person)
    const me = await browser.call('GET', '/me')
    assertSame([me.status, me.response?.email_addresses[0].email_address], [200, 'ada@people.example'])
  }
  const acked = []
  let id = 0
  const insert = async (size) => {
    id++
    await daemon.sql(one, 'INSERT INTO t VALUES (?, zeroblob(?))', [{ type: 'integer', value: String(id) }, { type: 'integer', value: String(size) }])
    acked.push(id)
  }
  await daemon.sql(one, 'CREATE TABLE t(id INTEGER PRIMARY KEY, b BLOB)')
  await daemon.sql(two, 'CREATE TABLE t(id INTEGER PRIMARY KEY)')
  await daemon.sql(two, 'INSERT INTO t VALUES (1)')
  for (let i = 0; i < 20; i++) await insert(20000)

  const there = async () => (await daemon.sql(one, 'SELECT id FROM t ORDER BY id')).rows.map((r) => Number(r[0].value))
  const allThere = async () => {
    const rows = new Set(await there())
    assertSame(acked.filter((x) => !rows.has(x)), [], 'acknowledged rows that are lost')
  }
  let refusal
  await check('full disk: INSERT fails with a clear error', async () => {
    fill(ballast)
    for (let i = 0; i < 400 && !refusal; i++) await insert(30000).catch((e) => (refusal = e))
    assert(refusal, 'it never failed')
    note(`INSERT: ${refusal.code ?? refusal.status} ${refusal.message}`)
    assert(/full|space/i.test(refusal.message), `message: ${refusal.message}`)
    assert(refusal.code === 'SQLITE_FULL' || refusal.status === 507, `code ${refusal.code}, status ${refusal.status}`)
  })
  await check('full disk: SELECT goes on, in both builds, and nothing acknowledged is lost', async () => {
    await allThere()
    assertSame((await daemon.sql(two, 'SELECT count(*) FROM t')).rows[0][0].value, '1')
    for (let i = 0; i < 20; i++) await daemon.sql(one, 'SELECT count(*), sum(length(b)) FROM t')
  })
  await check('full disk: small writes and transactions are acknowledged or refused, nothing else', async () => {
    for (let i = 0; i < 40; i++) {
      const e = await insert(10).then(() => null, (x) => x)
      assert(!e || /full|space|disk/i.test(e.message), e?.message)
    }
    await allThere()
  })
  await check('full disk: users are made or refused in Clerk’s shape, nothing by halves; who is signed in stays so, and tokens are made', async () => {
    let refused
    for (let i = 0; i < 200 && !refused; i++) {
      const made = await user(60000)
      if (made.status !== 200) refused = made
    }
    assertSame([refused?.status, refused?.body.errors[0].code], [507, 'storage_full'])
    const up = await browser.call('POST', '/client/sign_ups', { email_address: 'new@people.example', unsafe_metadata: { a: 'x'.repeat(8000) } })
    assert(up.status === 200 || (up.status === 507 && up.code === 'storage_full'), up.text)
    await everybodyThere()
    const [session] = (await browser.call('GET', '/client')).response.sessions
    assertSame((await browser.call('POST', `/client/sessions/${session.id}/tokens`, {})).status, 200)
    const ended = await browser.call('POST', `/client/sessions/${session.id}/touch`, {})
    assert([200, 507].includes(ended.status), ended.text)
  })
  await check('full disk: making a build fails with a sentence, or is done wholly', async () => {
    const r = await daemon.cli(['build', 'create', 'three', '--json'])
    if (r.code === 0) await daemon.sql(JSON.parse(r.stdout).env.TURSO_AUTH_TOKEN, 'SELECT 1')
    else assert(r.code === 1 && /full|space/i.test(r.stderr), `exit ${r.code}: ${r.stderr}`)
    const h = await daemon.admin('GET', '/healthz')
    assertSame(h.status, 200)
    assertSame((await daemon.admin('GET', '/api/v1/builds')).status, 200)
  })
  await check('full disk: ending a build’s keys either works or says why', async () => {
    const r = await daemon.cli(['build', 'revoke', 'two'])
    const served = (await daemon.pipeline(two, { requests: [{ type: 'close' }] })).status
    if (r.code === 0) assertSame(served, 401)
    else assert(/full|space/i.test(r.stderr) && served === 200, `exit ${r.code}, then ${served}: ${r.stderr}`)
  })
  await check('full disk: a crash now loses nothing; the next start serves reading, or says that the disk is full', async () => {
    await daemon.kill9()
    fs.rmSync(path.join(dir, 'sliver'), { force: true })
    try {
      await daemon.start()
      await allThere()
      const there = await pool.backend('GET', '/users?limit=1')
      assert(there.status === 200 || there.body?.errors, `${there.status}`) // without room for its -wal it cannot be opened
      note('started on the full disk')
    } catch (e) {
      if (daemon.pid) throw e
      assert(/full|space/i.test(e.message), e.message)
      note(`refused to start: ${e.message.split('\n').find((l) => /full|space/i.test(l))}`)
    }
  })
  await check('full disk: with space again, writing works again', async () => {
    fs.rmSync(ballast)
    if (!daemon.pid) await daemon.start()
    for (let i = 0; i < 20; i++) await insert(5000)
    await allThere()
    await everybodyThere()
    for (let i = 0; i < 5; i++) assertSame((await user(5000)).status, 200)
    await everybodyThere()
    const fresh = await daemon.createBuild('four')
    await daemon.sql(fresh.env.TURSO_AUTH_TOKEN, 'CREATE TABLE t(a)')
  })
  await check('full disk: full once more and free again, without a restart', async () => {
    fill(ballast)
    let e
    for (let i = 0; i < 400 && !e; i++) await insert(30000).catch((x) => (e = x))
    assert(e && /full|space/i.test(e.message), e?.message ?? 'it never failed')
    fs.rmSync(ballast)
    for (let i = 0; i < 10; i++) await insert(5000)
    await allThere()
  })
  await check('full disk: in the end the file is sound', async () => {
    assertSame((await daemon.sql(one, 'PRAGMA integrity_check')).rows[0][0].value, 'ok')
    await daemon.stop()
    assertSame(integrity(databaseFile(daemon, 'one')), 'ok')
    assertSame(integrity(path.join(daemon.data, 'builds', 'people', 'auth.db')), 'ok')
  })
}
