// The two apps: each in a folder of its own, built and started under `valetkey run`, which is all that tells them about valetkey.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { binary, portFree, request, root, run, sleep } from '../lib/daemon.mjs'

export const here = path.join(root, 'tests', 'clerk')
// Of a developer's own shell; an app gets the build's variables and no others of these services.
const NOT_FOR_AN_APP = /^(NEXT_|CLERK_|R2_|AWS_|TURSO_|DATABASE_URL|VALETKEY_|NODE_|PORT$)/
const running = new Set()

export async function stopAll() {
  for (const app of [...running]) await app.remove()
}

function environment() {
  return { ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !NOT_FOR_AN_APP.test(name))), NEXT_TELEMETRY_DISABLED: '1' }
}

/* `sdk`: "app7" or "app6". `changes`: variables that are set otherwise than `valetkey run` does, or not at all (undefined), for what
 * happens then. */
export class App {
  constructor({ sdk, daemon, build, port, changes = {} }) {
    Object.assign(this, { sdk, daemon, build, port, changes, log: '', url: `http://localhost:${port}` })
    // On the disk of the packages, which are linked, not copied: they are 350 MB.
    this.folder = path.join(root, 'tests', '.work', `clerk-${process.pid}-${sdk}-${port}`)
  }

  async make() {
    running.add(this)
    const own = path.join(here, this.sdk)
    fs.rmSync(this.folder, { recursive: true, force: true })
    fs.cpSync(path.join(here, 'shared'), this.folder, { recursive: true })
    for (const name of fs.readdirSync(own)) if (name !== 'node_modules') fs.copyFileSync(path.join(own, name), path.join(this.folder, name))
    const r = await run('cp', ['-al', path.join(own, 'node_modules'), this.folder], { timeout: 60000 })
    if (r.code !== 0) throw new Error(`the packages of ${this.sdk} could not be linked: ${r.stderr}`)
    return this
  }

  command(...args) {
    const changed = Object.entries(this.changes).flatMap(([name, value]) => (value === undefined ? ['-u', name] : [`${name}=${value}`]))
    return [binary, ['run', this.build, '--app', this.folder, '--data', this.daemon.data, '--', ...(changed.length ? ['env', ...changed] : []), ...args]]
  }

  // `next build`; addresses of the daemon that are for browsers are compiled in.
  async compile() {
    const [file, args] = this.command('npm', 'run', 'build')
    const code = await new Promise((resolve, reject) => {
      const p = this.spawn(file, args)
      p.once('error', reject)
      p.once('close', resolve)
    })
    if (code !== 0) throw new Error(`next build of ${this.sdk} ended with ${code}:\n${this.log.slice(-4000)}`)
    return this
  }

  // `mode`: "start" for what compile() made, "dev" to compile page by page.
  async start(mode) {
    this.mode = mode
    if (!(await portFree(this.port))) throw new Error(`port ${this.port} is taken`)
    this.process = this.spawn(...this.command('npm', 'run', mode, '--', '-p', String(this.port)))
    this.exited = new Promise((resolve) => this.process.once('close', () => resolve(true)))
    for (let tries = 0; tries < 600; tries++) {
      if (this.process.exitCode !== null) throw new Error(`${this.sdk} ended (${this.process.exitCode}):\n${this.log.slice(-4000)}`)
      // No handshake for what asks for no page.
      const answer = await request(`${this.url}/api/me`, { timeout: 60000 }).catch(() => null)
      if (answer) return this
      await sleep(100)
    }
    throw new Error(`${this.sdk} did not answer within 60 s:\n${this.log.slice(-4000)}`)
  }

  spawn(file, args) {
    const p = spawn(file, args, { cwd: this.folder, env: environment(), detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [p.stdout, p.stderr]) stream.setEncoding('utf8').on('data', (d) => (this.log = (this.log + d).slice(-100000)))
    return p
  }

  async stop() {
    if (!this.process) return
    const { pid } = this.process
    this.process = undefined
    for (const signal of ['SIGTERM', 'SIGKILL']) {
      try {
        process.kill(-pid, signal)
      } catch {
        // The group is gone already.
      }
      if (await Promise.race([this.exited, sleep(2000)])) return
    }
  }

  async remove() {
    running.delete(this)
    await this.stop()
    fs.rmSync(this.folder, { recursive: true, force: true })
  }
}

/* What would have been sent by mail. A code is given out once, so that a test never takes an older one for a new one. */
export class Outbox {
  constructor(daemon, build) {
    Object.assign(this, { daemon, build, taken: new Set() })
  }

  // Newest last.
  async messages(address) {
    const r = await this.daemon.admin('GET', `/api/v1/builds/${this.build}/services/auth/outbox`)
    if (r.status !== 200) throw new Error(`outbox of ${this.build}: HTTP ${r.status} ${r.text}`)
    return r.json().messages.filter((m) => m.address === address).sort((a, b) => a.at_ms - b.at_ms)
  }

  async next(address) {
    for (let tries = 0; tries < 50; tries++) {
      const message = (await this.messages(address)).findLast((m) => !this.taken.has(`${m.at_ms} ${m.code}`))
      if (message) {
        this.taken.add(`${message.at_ms} ${message.code}`)
        return message
      }
      await sleep(100)
    }
    throw new Error(`no new message for ${address} within 5 s`)
  }
}

// As if they all had proved an hour ago who they are: nobody waits ten minutes for a test.
export async function signedInLongAgo({ outbox: { daemon, build } }) {
  const file = path.join(daemon.data, 'builds', build, 'auth.db')
  const r = await run('sqlite3', [file, '.timeout 5000', 'UPDATE sessions SET verified_at = verified_at - 3600000'])
  if (r.code !== 0) throw new Error(`sqlite3 ${file}: ${r.stderr}`)
}
