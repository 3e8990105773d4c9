// The unmodified @libsql/client over HTTP, with nothing but its environment, while the daemon is restarted: no call fails.
import path from 'node:path'
import { spawn } from 'node:child_process'
import { assert, check, finish, ok } from '../lib/tap.mjs'
import { e2e, install, versions } from '../lib/clients.mjs'
import { Daemon, cleanUp, portBase, root, sleep } from '../lib/daemon.mjs'

const daemon = new Daemon({ portBase: await portBase() })
const worker = path.join(root, 'tests/restart/app.mjs')

const EACH = 60 // calls of each app between two restarts

function app(version, env) {
  const p = spawn(process.execPath, [worker], { cwd: path.join(e2e, version), env: { PATH: process.env.PATH, ...env }, stdio: ['pipe', 'pipe', 'inherit'] })
  let out = ''
  let gone = false
  p.stdout.setEncoding('utf8').on('data', (d) => (out += d))
  const ended = new Promise((r) => p.on('close', () => { gone = true; r() }))
  const last = () => out.split('\n').filter(Boolean).at(-1)
  const calls = () => Number(out.slice(0, out.lastIndexOf('\n')).split('\n').at(-1)) || 0
  const until = async (look, what) => {
    for (const end = Date.now() + 120000; !look(); await sleep(20)) assert(!gone && Date.now() < end, `${version}: ${what}`)
  }
  return {
    ready: () => until(() => out, 'it is ready'),
    more: (n) => { const had = calls(); return until(() => calls() >= had + n, `${n} calls after ${had}`) },
    stop: async () => { p.stdin.end(); await ended; return JSON.parse(last()) },
  }
}

try {
  for (const v of versions) await install(path.join(e2e, v))
  await daemon.start()
  const apps = []
  for (const v of versions) {
    const b = await daemon.createBuild(v.replaceAll('.', '-'))
    apps.push([v, b, app(v, b.env)])
  }
  for (const [, , a] of apps) await a.ready()
  await check('five restarts', async () => {
    for (let i = 0; i < 5; i++) {
      await Promise.all(apps.map(([, , a]) => a.more(EACH)))
      const r = await daemon.cli(['restart', '--json'], { timeout: 60000 })
      assert(r.code === 0, `restart ${i + 1}: ${r.stdout}${r.stderr}`)
    }
    await Promise.all(apps.map(([, , a]) => a.more(EACH)))
  })
  for (const [v, b, a] of apps) {
    const r = await a.stop()
    ok(r.failed.length === 0 && r.calls >= 6 * EACH, `${v}: of ${r.calls} calls (execute, batch, transaction) none failed`, r)
    const n = await daemon.sql(b.env.TURSO_AUTH_TOKEN, 'SELECT count(*), count(DISTINCT v) FROM t')
    ok(Number(n.rows[0][0].value) === r.written && Number(n.rows[0][1].value) === r.written, `${v}: ${r.written} rows were written, once each`, n.rows[0])
  }
} catch (e) {
  ok(false, 'the suite ran to its end', e?.stack ?? String(e))
} finally {
  await cleanUp()
}
finish()
