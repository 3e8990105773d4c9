// One database, whose schema goes through schemas/1.js to 6.js: by `drizzle-kit push`, and on another build by migrations. Every
// process gets PATH and what `valetkey build create` printed, nothing else.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { assert, assertSame, check, finish, note, ok } from '../lib/tap.mjs'
import { Daemon, cleanUp, portBase, request, run, tempFolder } from '../lib/daemon.mjs'
import { Follower, section } from '../lib/docs.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const base = await portBase()
const schemas = fs.readdirSync(path.join(here, 'schemas')).sort()

async function install() {
  const lock = fs.readFileSync(path.join(here, 'package-lock.json'), 'utf8')
  const stamp = path.join(here, 'node_modules/.installed-lock')
  // `./test` has installed them already.
  if (fs.existsSync(path.join(here, 'node_modules/.valetkey-stamp')) || (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === lock)) return
  note('npm ci')
  const r = await run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: here, timeout: 240000 })
  if (r.code !== 0) throw new Error(`npm ci: ${r.stderr.slice(-2000)}`)
  fs.writeFileSync(stamp, lock)
}

function node(script, args, project, env) {
  return new Promise((resolve) => {
    const p = spawn(process.execPath, [script, ...args], { cwd: project, env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let err = ''
    const timer = setTimeout(() => p.kill('SIGKILL'), 60000)
    p.stdout.setEncoding('utf8').on('data', (d) => (out += d))
    p.stderr.setEncoding('utf8').on('data', (d) => (err += d))
    p.on('close', (code, signal) => { clearTimeout(timer); resolve({ code: signal ?? code, out, err }) })
  })
}

// A project as a developer has it: a config, a schema, the packages.
function project() {
  const dir = tempFolder('valetkey-drizzle')
  fs.writeFileSync(path.join(dir, 'package.json'), '{"type":"module","private":true}\n')
  fs.copyFileSync(path.join(here, 'drizzle.config.js'), path.join(dir, 'drizzle.config.js'))
  fs.symlinkSync(path.join(here, 'node_modules'), path.join(dir, 'node_modules'))
  return dir
}

const useSchema = (dir, name) => fs.copyFileSync(path.join(here, 'schemas', name), path.join(dir, 'schema.js'))

// drizzle-kit in a project; what it printed. It ends with 0 also when a statement failed, so its last words count.
async function kit(dir, env, args, want) {
  const r = await node('node_modules/drizzle-kit/bin.cjs', args, dir, env)
  assert(r.code === 0 && want.test(r.out), `drizzle-kit ${args.join(' ')}: exit ${r.code}\n${r.out.slice(-3000)}\n${r.err.slice(-2000)}`)
  return r.out
}

// Runs a step of app.mjs; its lines count as ours.
async function app(dir, env, step, title) {
  const r = await node(path.join(here, 'app.mjs'), [path.join(dir, 'schema.js'), step], dir, env)
  let n = 0
  for (const part of r.out.split(/^(?=(?:not )?ok )/m)) {
    const m = /^(not )?ok \d+ - ([^\n]*)\n?([^]*)$/.exec(part)
    if (m) { n++; ok(!m[1], `${title}: ${m[2]}`, m[3].replace(/^# /gm, '')) }
  }
  if (n === 0 || r.code !== 0) ok(false, `${title}: the app ran to its end`, `exit ${r.code}\n${r.err.slice(-3000)}`)
}

const columnChanges = /ALTER COLUMN/
const daemon = new Daemon({ portBase: base })
try {
  await install()
  await daemon.start()

  const pushed = await daemon.createBuild('pushed')
  const dir = project()
  let altered = 0
  for (const name of schemas) {
    const step = path.basename(name, '.js')
    useSchema(dir, name)
    await check(`push ${step} is applied`, async () => {
      const out = await kit(dir, pushed.env, ['push', '--verbose', '--force'], /Changes applied/)
      altered += columnChanges.test(out)
      assert(!/DROP TABLE|delete from/i.test(out), `rows were given up:\n${out}`)
    })
    await app(dir, pushed.env, step, `push ${step}`)
  }
  ok(altered >= 4, 'the pushes changed columns by ALTER COLUMN', `${altered} of ${schemas.length}`)
  await check('a push without a change finds none', () => kit(dir, pushed.env, ['push', '--verbose', '--force'], /No changes detected/).then(() => true))

  const migrated = await daemon.createBuild('migrated')
  const dir2 = project()
  useSchema(dir2, '1.js')
  await check('generate 1 and migrate', async () => {
    await kit(dir2, migrated.env, ['generate'], /Your SQL migration file/)
    await kit(dir2, migrated.env, ['migrate'], /migrations applied successfully/)
  })
  await app(dir2, migrated.env, '1', 'migration 1')
  await check('generate 2 to 4 and migrate the first of them', async () => {
    for (const name of ['2.js', '3.js', '4.js']) {
      useSchema(dir2, name)
      await kit(dir2, migrated.env, ['generate'], /Your SQL migration file/)
      if (name === '2.js') await kit(dir2, migrated.env, ['migrate'], /migrations applied successfully/)
    }
    const files = fs.readdirSync(path.join(dir2, 'drizzle')).filter((f) => f.endsWith('.sql')).sort()
    const texts = files.map((f) => fs.readFileSync(path.join(dir2, 'drizzle', f), 'utf8'))
    assert(files.length === 4 && texts.slice(1).every((t) => columnChanges.test(t)), texts.join('\n----\n'))
  })
  await app(dir2, migrated.env, 'migrate', 'migrations 3 and 4')

  await check('docs/ORM.md, Drizzle: every line does what it says', async () => {
    const builds = [await daemon.createBuild('shop'), await daemon.createBuild('shop-2')]
    const shop = new Follower({ dir: tempFolder('valetkey-orm'), packages: { '.': here }, data: daemon.data })
    shop.write('package.json', '{"type":"module","private":true}\n')
    shop.write('main.js', `import { db } from './db.js'
import { products } from './schema.js'
await db.insert(products).values({ slug: 'pen', price: 250 })
console.log(JSON.stringify(await db.select().from(products)))
`)
    const steps = section('ORM.md', 'Drizzle')
    assertSame([steps.filter((s) => s.file).length, steps.filter((s) => s.line).length], [3, 4], 'files and lines of the section')
    await shop.follow(steps)
    for (const { id } of builds)
      assertSame(JSON.parse(await shop.line(`valetkey run ${id} -- node main.js`)), [{ id: 1, slug: 'pen', price: 250 }], id)
    // The ledger of `db apply` is none of drizzle-kit's business.
    const out = await shop.line('valetkey run shop-2 -- npx drizzle-kit push --force')
    assert(/No changes detected/.test(out), out)
    assertSame((await daemon.sql(builds[1].env.TURSO_AUTH_TOKEN, 'SELECT count(*) FROM _valetkey_migrations')).rows[0][0].value, '1')
  })

  const direct = await daemon.createBuild('direct')
  await app(dir2, direct.env, 'client', '@libsql/client')
  await check('describe: no parameters, no columns, not read-only', async () => {
    const ask = (sql) => ({ type: 'describe', sql })
    const r = await daemon.pipeline(direct.env.TURSO_AUTH_TOKEN, { requests: [ask('ALTER TABLE c ALTER COLUMN v TO v INT'), ask('ALTER TABLE c ALTER COLUMN v TO'), { type: 'close' }] })
    const [good, bad] = r.json().results
    const d = good.response?.result
    return (d && d.params.length === 0 && d.cols.length === 0 && d.is_readonly === false && d.is_explain === false && bad.error?.code === 'SQL_INPUT_ERROR') || r.text
  })
  await check('cursor: a step like any other', async () => {
    const steps = ['CREATE TABLE k (a, b)', "INSERT INTO k VALUES (NULL, '1')", 'ALTER TABLE k ALTER COLUMN a TO a INT NOT NULL', 'ALTER TABLE k ALTER COLUMN nope TO nope', "INSERT INTO k VALUES (NULL, '2')", 'SELECT a, b FROM k']
    const r = await request(`${daemon.databaseUrl}/v3/cursor`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${direct.env.TURSO_AUTH_TOKEN}`, 'Content-Type': 'application/json' },
      body: { batch: { steps: steps.map((sql) => ({ stmt: { sql } })) } },
    })
    const lines = r.text.trim().split('\n').map((l) => JSON.parse(l))
    const of = (step) => lines.filter((l) => l.step === step).map((l) => l.error?.message ?? l.type)
    assertSame([of(2), of(3), of(4)], [['step_begin'], ['SQLite error: no such column: "nope"'], ['SQLite error: NOT NULL constraint failed: k.a']], r.text)
    const begin = lines.findIndex((l) => l.type === 'step_begin' && l.step === 2)
    assertSame([lines[begin].cols, lines[begin + 1].type, lines[begin + 1].affected_row_count, lines[begin + 1].last_insert_rowid], [[], 'step_end', 0, null], r.text)
    assertSame(lines.filter((l) => l.type === 'row').length, 1, r.text)
  })
  await check('what changed the schema is recorded, and only that', () => {
    const lines = fs.readFileSync(path.join(daemon.data, 'builds', migrated.id, 'ddl.log'), 'utf8').trim().split('\n').map((l) => JSON.parse(l))
    const texts = lines.map((l) => l.sql)
    assert(texts.some((t) => t.startsWith('CREATE TABLE `users`')) && texts.filter((t) => columnChanges.test(t)).length >= 3, texts.join('\n'))
    assert(texts.every((t) => /^\s*(CREATE|DROP|ALTER) /i.test(t)) && lines.every((l) => !Number.isNaN(Date.parse(l.at))), texts.join('\n'))
  })
  await check('the daemon ends cleanly', async () => {
    const end = await daemon.stop()
    return end?.code === 0 || `ended with ${JSON.stringify(end)}\n${daemon.log.slice(-2000)}`
  })
} catch (e) {
  await check('the suite ran to its end', () => { throw e })
  note(daemon.log.slice(-2000))
} finally {
  await cleanUp()
}
finish()
