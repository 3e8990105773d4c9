// What the commands write to disk: env files and downloads.
import fs from 'node:fs'
import path from 'node:path'
import { check, assert, assertSame } from '../lib/tap.mjs'
import { tempFolder } from '../lib/daemon.mjs'

const mode = (file) => (fs.statSync(file).mode & 0o777).toString(8)

export async function files(daemon) {
  const dir = tempFolder()
  const file = path.join(dir, '.env.local')
  const env = (await daemon.createBuild('files')).env

  await check('env --out: mode 0600, other lines stay, twice is once', async () => {
    fs.writeFileSync(file, '# mine\nMINE=1\n', { mode: 0o644 })
    await daemon.mustCli(['env', 'files', '--out', file])
    const text = fs.readFileSync(file, 'utf8')
    assert(text.startsWith('# mine\nMINE=1\n'), text)
    for (const [k, v] of Object.entries(env)) assert(text.includes(`\n${k}=${v}\n`), k)
    assertSame(mode(file), '600')
    await daemon.mustCli(['env', 'files', '--out', file])
    assertSame(fs.readFileSync(file, 'utf8'), text, 'again')
    assertSame(fs.readdirSync(dir), ['.env.local'], 'nothing is left beside it')
  })

  await check('env --out: another build replaces the block', async () => {
    const other = (await daemon.createBuild('files2')).env
    await daemon.mustCli(['env', 'files2', '--out', file])
    const text = fs.readFileSync(file, 'utf8')
    assert(text.includes(other.TURSO_AUTH_TOKEN) && !text.includes(env.TURSO_AUTH_TOKEN) && text.includes('MINE=1'), text)
  })

  await check("env --out: someone's own value stops it, --force makes a comment of it", async () => {
    const own = path.join(dir, 'own.env')
    fs.writeFileSync(own, 'DATABASE_URL=postgres://mine\n')
    const r = await daemon.cli(['env', 'files', '--out', own])
    assertSame(r.code, 1)
    assert(r.stderr.includes('DATABASE_URL') && r.stderr.includes('--force') && !r.stderr.includes('postgres://'), r.stderr)
    assertSame(fs.readFileSync(own, 'utf8'), 'DATABASE_URL=postgres://mine\n', 'untouched')
    await daemon.mustCli(['env', 'files', '--out', own, '--force'])
    assert(fs.readFileSync(own, 'utf8').startsWith('# replaced by valetkey: DATABASE_URL=postgres://mine\n'), 'kept as a comment')
  })

  await check('env --out --format json: only ours is overwritten', async () => {
    const json = path.join(dir, 'env.json')
    await daemon.mustCli(['env', 'files', '--out', json, '--format', 'json'])
    await daemon.mustCli(['env', 'files2', '--out', json, '--format', 'json'])
    fs.writeFileSync(json, '{"other":1}')
    assertSame((await daemon.cli(['env', 'files', '--out', json, '--format', 'json'])).code, 1)
    assertSame(fs.readFileSync(json, 'utf8'), '{"other":1}')
  })

  await check('env --out: no such folder, and a folder in its place', async () => {
    assertSame((await daemon.cli(['env', 'files', '--out', path.join(dir, 'no/such/.env')])).code, 1)
    assertSame((await daemon.cli(['env', 'files', '--out', dir])).code, 1)
  })

  await check('db download: a whole SQLite file, mode 0600, never over another', async () => {
    for (const sql of ['CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)', "INSERT INTO t(v) SELECT hex(randomblob(500)) FROM (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<3000) SELECT n FROM c)"])
      await daemon.sql(env.TURSO_AUTH_TOKEN, sql)
    const out = path.join(dir, 'files.db')
    const j = JSON.parse(await daemon.mustCli(['db', 'download', 'files', '--out', out, '--json']))
    assertSame([j.id, j.bytes, mode(out)], ['files', fs.statSync(out).size, '600'])
    assertSame(fs.readFileSync(out).subarray(0, 15).toString(), 'SQLite format 3')
    assert(j.bytes > 3000000, `${j.bytes} bytes`)
    fs.writeFileSync(out, 'precious')
    const r = await daemon.cli(['db', 'download', 'files', '--out', out])
    assertSame([r.code, fs.readFileSync(out, 'utf8')], [1, 'precious'])
    await daemon.mustCli(['db', 'download', 'files', '--out', out, '--force'])
    assertSame(fs.statSync(out).size, j.bytes)
    assertSame(fs.readdirSync(dir).filter((f) => f.includes('.part')), [], 'no leftovers')
  })

  await check('db download: a dangling link is no place, a missing folder neither, and a failure leaves nothing', async () => {
    const link = path.join(dir, 'link.db')
    fs.symlinkSync(path.join(dir, 'elsewhere'), link)
    assertSame((await daemon.cli(['db', 'download', 'files', '--out', link])).code, 1)
    assertSame((await daemon.cli(['db', 'download', 'files', '--out', path.join(dir, 'no/x.db')])).code, 1)
    assertSame((await daemon.cli(['db', 'download', 'nope', '--out', path.join(dir, 'nope.db')])).code, 1)
    assert(!fs.existsSync(path.join(dir, 'nope.db')) && !fs.existsSync(path.join(dir, 'elsewhere')), 'nothing was made')
    assertSame(fs.readdirSync(dir).filter((f) => f.includes('.part')), [], 'no leftovers')
  })
}
