// The unmodified clients that a suite drives: their packages, and scripts in processes whose environment holds PATH and what
// `valetkey build create` printed, nothing else.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { note, ok } from './tap.mjs'
import { root, run } from './daemon.mjs'

export const e2e = path.join(root, 'tests/e2e')
export const versions = fs.readdirSync(e2e).filter((d) => d.startsWith('libsql-')).sort()

// node_modules of a folder, installed once for each state of its lock file.
export async function install(dir) {
  const lock = fs.readFileSync(path.join(dir, 'package-lock.json'), 'utf8')
  const stamp = path.join(dir, 'node_modules/.installed-lock')
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === lock) return
  note(`npm ci in ${path.basename(dir)}`)
  const r = await run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: dir, timeout: 240000 })
  if (r.code !== 0) throw new Error(`npm ci: ${r.stderr.slice(-2000)}`)
  fs.writeFileSync(stamp, lock)
}

// Runs a script in the folder of one client version; its lines count as ours.
export function script(name, version, env, args = []) {
  return new Promise((resolve) => {
    const p = spawn(process.execPath, [path.join(e2e, name), ...args], { cwd: path.join(e2e, version), env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
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
