// A folder with packages of npm, and scripts that run in it with the environment of a build and nothing else.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { note, ok } from './tap.mjs'
import { run } from './daemon.mjs'

// node_modules of a folder, installed once for each state of its lock file. `./test` may have done so before.
export async function install(dir) {
  const lock = fs.readFileSync(path.join(dir, 'package-lock.json'), 'utf8')
  const stamp = path.join(dir, 'node_modules/.installed-lock')
  if (fs.existsSync(path.join(dir, 'node_modules/.valetkey-stamp')) || (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === lock)) return
  note(`npm ci in ${path.basename(dir)}`)
  const r = await run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: dir, timeout: 240000 })
  if (r.code !== 0) throw new Error(`npm ci: ${r.stderr.slice(-2000)}`)
  fs.writeFileSync(stamp, lock)
}

// Runs node on a script; its environment is PATH and `env`. { code, out, err }. `done`: a program that has printed this has done its
// work; when it has not ended a second later, it is ended, and its code is 0.
export function node(script, args, cwd, env, { timeout = 120000, flags = [], done } = {}) {
  return new Promise((resolve) => {
    const p = spawn(process.execPath, [...flags, script, ...args], { cwd, env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let err = ''
    const timer = setTimeout(() => p.kill('SIGKILL'), timeout)
    let late
    p.stdout.setEncoding('utf8').on('data', (d) => {
      out += d
      if (done?.test(out)) late ??= setTimeout(() => p.kill('SIGTERM'), 1000)
    })
    p.stderr.setEncoding('utf8').on('data', (d) => (err += d))
    p.on('close', (code, signal) => {
      clearTimeout(timer)
      clearTimeout(late)
      resolve({ code: late && signal === 'SIGTERM' ? 0 : signal ?? code, out, err })
    })
  })
}

// As node(), for a script that prints TAP lines: they count as ours.
export async function script(file, args, cwd, env, title, options) {
  const r = await node(file, args, cwd, env, options)
  let n = 0
  let bad = 0
  for (const part of r.out.split(/^(?=(?:not )?ok )/m)) {
    const m = /^(not )?ok \d+ - ([^\n]*)\n?([^]*)$/.exec(part)
    if (!m) continue
    n++
    if (m[1]) bad++
    ok(!m[1], `${title}: ${m[2]}`, m[3].replace(/^# /gm, ''))
  }
  if (n === 0 || (r.code !== 0 && bad === 0)) ok(false, `${title}: it ran to its end`, `exit ${r.code}\n${r.err.slice(-3000)}`)
  return r
}
