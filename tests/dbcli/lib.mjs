// What the parts share: folders of files, and commands that answer in JSON.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { tempFolder } from '../lib/daemon.mjs'

// { 'a/b.sql': text } as files of a new folder.
export function folder(files) {
  const dir = tempFolder('valetkey-migrations')
  put(dir, files)
  return dir
}

export function put(dir, files) {
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(dir, name)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, text)
  }
}

// { code, out, error }: what a command printed with --json, and the error it printed.
export async function json(daemon, args, options) {
  const r = await daemon.cli([...args, '--json'], { timeout: 60000, ...options })
  const parse = (s) => { try { return JSON.parse(s) } catch { return undefined } }
  return { code: r.code, out: parse(r.stdout), error: parse(r.stderr)?.error, stdout: r.stdout, stderr: r.stderr }
}

export async function rows(daemon, token, sql) {
  const r = await daemon.sql(token, sql)
  return r.rows.map((row) => row.map((c) => (c.type === 'integer' ? Number(c.value) : c.type === 'null' ? null : c.value)))
}

// The distribution's own sqlite3 on a file.
export function sqlite3(file, sql) {
  const r = spawnSync('sqlite3', [file, sql], { encoding: 'utf8' })
  if (r.status !== 0) throw new Error(`sqlite3: ${r.error?.message ?? r.stderr}`)
  return r.stdout.trim()
}
