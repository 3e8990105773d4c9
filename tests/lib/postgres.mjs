// A PostgreSQL server of the suite's own: a new cluster in a temporary folder, on loopback, with passwords.
import { execFileSync, spawn } from 'node:child_process'
import crypto from 'node:crypto'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { run, sleep, tempFolder } from './daemon.mjs'

const ROOT = '/usr/lib/postgresql'
const versions = fs.existsSync(ROOT) ? fs.readdirSync(ROOT).filter((v) => fs.existsSync(`${ROOT}/${v}/bin/initdb`)).sort((a, b) => b - a) : []
const BIN = versions.length ? `${ROOT}/${versions[0]}/bin` : path.dirname(fs.realpathSync(execFileSync('sh', ['-c', 'command -v initdb || echo /nowhere']).toString().trim()))

// The server does not run as root.
const nobody = process.getuid() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : []
const asServer = (program, ...args) => [...nobody, path.join(BIN, program), ...args]

const servers = new Set()
process.on('exit', () => {
  for (const s of servers) s.kill()
})

export const secret = () => crypto.randomBytes(18).toString('hex')

export class Postgres {
  constructor(port) {
    this.port = port
    this.password = secret()
    this.folder = tempFolder('valetkey-pg')
    this.data = path.join(this.folder, 'data')
  }

  // `hba`: lines before the usual ones. `settings`: of postgresql.conf. `files`: name in the data folder → what is copied there.
  static async start(port, { hba = '', settings = {}, files = {} } = {}) {
    const s = new Postgres(port)
    fs.writeFileSync(path.join(s.folder, 'password'), s.password)
    fs.mkdirSync(s.data)
    if (nobody.length) execFileSync('chown', ['-R', '65534:65534', s.folder])
    const [cmd, ...args] = asServer('initdb', '-D', s.data, '-U', 'admin', '-A', 'scram-sha-256', `--pwfile=${s.folder}/password`, '-E', 'UTF8', '--locale=C', '--no-sync')
    const made = await run(cmd, args, { timeout: 120000, cwd: s.folder })
    if (made.code !== 0) throw new Error(`initdb: ${made.stderr}`)
    fs.rmSync(path.join(s.folder, 'password'))
    const conf = { listen_addresses: '127.0.0.1', port, unix_socket_directories: '', fsync: 'off', shared_buffers: '32MB', max_connections: 60, log_statement: 'all', logging_collector: 'off', ...settings }
    fs.appendFileSync(path.join(s.data, 'postgresql.conf'), Object.entries(conf).map(([k, v]) => `${k} = '${v}'\n`).join(''))
    fs.writeFileSync(path.join(s.data, 'pg_hba.conf'), `${hba}\nhost all all 127.0.0.1/32 scram-sha-256\n`)
    for (const [name, from] of Object.entries(files)) {
      fs.copyFileSync(from, path.join(s.data, name))
      fs.chmodSync(path.join(s.data, name), 0o600)
      if (nobody.length) fs.chownSync(path.join(s.data, name), 65534, 65534)
    }
    await s.up()
    return s
  }

  async up() {
    const [cmd, ...args] = asServer('postgres', '-D', this.data)
    this.log ??= ''
    this.process = spawn(cmd, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: this.folder })
    servers.add(this)
    this.process.stderr.setEncoding('utf8').on('data', (d) => (this.log = (this.log + d).slice(-4000000)))
    this.gone = new Promise((r) => this.process.on('exit', r))
    for (let i = 0; i < 600; i++) {
      if ((await this.psql('SELECT 1')).code === 0) return this
      if (this.process.exitCode !== null) throw new Error(`postgres ended: ${this.log.slice(-2000)}`)
      await sleep(100)
    }
    throw new Error(`postgres is not ready: ${this.log.slice(-2000)}`)
  }

  // At once, as a power cut would.
  kill() {
    servers.delete(this)
    try { process.kill(this.process.pid, 'SIGQUIT') } catch {}
  }

  async down() {
    this.kill()
    await this.gone
  }

  url({ user = 'admin', password = this.password, database = 'postgres' } = {}) {
    return `postgresql://${user}:${password}@127.0.0.1:${this.port}/${database}`
  }

  // One text of SQL; { code, stdout, stderr }. Rows are lines, columns stand between bars.
  psql(sql, { url = this.url(), timeout = 60000 } = {}) {
    const env = Object.fromEntries(Object.entries(process.env).filter(([k]) => !k.startsWith('PG')))
    return run(path.join(BIN, 'psql'), ['-X', '-A', '-t', '-q', '-v', 'ON_ERROR_STOP=1', '-d', url], { input: sql, timeout, env: { ...env, PGCONNECT_TIMEOUT: '10', HOME: os.tmpdir() } })
  }

  // As psql, of what must go well: its rows.
  async rows(sql, options) {
    const r = await this.psql(sql, options)
    if (r.code !== 0) throw new Error(`${sql}: ${r.stderr}`)
    return r.stdout.split('\n').filter(Boolean)
  }

  // What an administrator does once: docs/ORG-SETUP.md.
  async closeToBuilds() {
    await this.rows('REVOKE CONNECT ON DATABASE postgres FROM PUBLIC; REVOKE ALL ON DATABASE template1 FROM PUBLIC')
  }
}

export async function refusesTcp(port) {
  return await new Promise((resolve) => {
    const c = net.connect(port, '127.0.0.1', () => (c.destroy(), resolve(false)))
    c.on('error', () => resolve(true))
  })
}
