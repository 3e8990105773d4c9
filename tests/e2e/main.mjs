// Runs app.mjs and refused.mjs with each version of the unmodified client, in processes whose environment holds PATH and what
// `valetkey build create` printed, nothing else.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { check, finish, note, ok } from '../lib/tap.mjs'
import { Daemon, cleanUp, run, withChecksum, portBase } from '../lib/daemon.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const versions = fs.readdirSync(here).filter((d) => d.startsWith('libsql-')).sort()
const base = await portBase(26200)

// node_modules of a folder, installed once for each state of its lock file.
async function install(dir) {
  const lock = fs.readFileSync(path.join(dir, 'package-lock.json'), 'utf8')
  const stamp = path.join(dir, 'node_modules/.installed-lock')
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === lock) return
  note(`npm ci in ${path.basename(dir)}`)
  const r = await run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: dir, timeout: 240000 })
  if (r.code !== 0) throw new Error(`npm ci: ${r.stderr.slice(-2000)}`)
  fs.writeFileSync(stamp, lock)
}

// Runs a script in the folder of one client version; its lines count as ours.
function script(name, version, env, args = []) {
  return new Promise((resolve) => {
    const p = spawn(process.execPath, [path.join(here, name), ...args], { cwd: path.join(here, version), env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let err = ''
    const timer = setTimeout(() => p.kill('SIGKILL'), 120000)
    p.stdout.setEncoding('utf8').on('data', (d) => (out += d))
    p.stderr.setEncoding('utf8').on('data', (d) => (err += d))
    p.on('close', (code, signal) => {
      clearTimeout(timer)
      let n = 0
      let details = []
      const flush = (verdict, title) => { n++; ok(verdict, `${version}: ${title}`, details.length ? details.join('\n') : undefined) }
      let pending
      for (const line of out.split('\n')) {
        const m = /^(not )?ok \d+ - (.*)$/.exec(line)
        if (m) { if (pending) flush(...pending); details = []; pending = [!m[1], m[2]] } else if (line.startsWith('#')) details.push(line.slice(2))
      }
      if (pending) flush(...pending)
      if (signal || n === 0 || (code !== 0 && !/^not ok/m.test(out))) ok(false, `${version}: ${name} ran to its end`, `exit ${signal ?? code}\n${err.slice(-3000)}`)
      resolve(out)
    })
  })
}

const daemon = new Daemon({ portBase: base })
const later = []
try {
  for (const v of versions) await install(path.join(here, v))
  ok(versions.length >= 2, `client versions: ${versions.join(', ')}`)
  await daemon.start()
  for (const v of versions) {
    const id = v.replaceAll('.', '-')
    const app = await daemon.createBuild(id)
    await check(`${v}: the environment names the database the way its documentation does`, () =>
      /^http:\/\/127\.0\.0\.1:\d+$/.test(app.env.TURSO_DATABASE_URL) && app.env.TURSO_AUTH_TOKEN?.length > 20 && app.id === id || JSON.stringify(Object.keys(app.env)))
    await script('app.mjs', v, app.env)

    // Keys that open nothing any more, or never did: the developer must read why.
    const revoked = await daemon.createBuild(`${id}-revoked`)
    later.push([v, await daemon.createBuild(`${id}-expired`, ['--ttl', '60s'])])
    await daemon.mustCli(['build', 'revoke', revoked.id])
    await script('refused.mjs', v, revoked.env, ['revoked'])
    const forged = withChecksum(app.env.TURSO_AUTH_TOKEN.slice(0, 20) + 'A'.repeat(15))
    await script('refused.mjs', v, { ...app.env, TURSO_AUTH_TOKEN: forged }, ['forged'])
    await script('refused.mjs', v, { ...app.env, TURSO_AUTH_TOKEN: 'not-a-key' }, ['junk'])
  }
  // A minute passes, by the seam for it.
  await daemon.stop()
  daemon.env = { VALETKEY_TEST_CLOCK_OFFSET_MS: '61000' }
  await daemon.start()
  for (const [v, build] of later) await script('refused.mjs', v, build.env, ['expired'])
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
