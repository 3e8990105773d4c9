#!/usr/bin/env node
// Takes each defence that a published hole is about out of a copy of the source, and runs the suite's part about these holes against it: the
// one test must fail. For whoever changes a defence or its test; some ten minutes. With a part of an advisory's name: only those.
import { execFileSync, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { root, tempFolder } from '../lib/daemon.mjs'
import { check, finish } from '../lib/tap.mjs'
import { ADVISORIES } from './advisories.mjs'

const copy = path.join(tempFolder('valetkey-mutants'), 'tree')
fs.mkdirSync(copy)
execFileSync('sh', ['-c', `git -C '${root}' ls-files -z | (cd '${root}' && xargs -0 cp -r --parents -t '${copy}')`])
const run = (cmd, args) => {
  const r = spawnSync(cmd, args, { cwd: copy, encoding: 'utf8', env: { ...process.env, VALETKEY_BIN: path.join(copy, 'build/valetkey') }, timeout: 600000 })
  return r
}
const build = () => {
  const r = run('ninja', ['-C', 'build', 'valetkey'])
  if (r.status !== 0) throw new Error(r.stdout.slice(-3000))
}
if (run('meson', ['setup', 'build', '-Dwerror=false']).status !== 0) throw new Error('meson setup')
build()
for (const a of ADVISORIES.filter((x) => !process.argv[2] || x.id.includes(process.argv[2])))
  await check(a.id, () => {
    const was = new Map()
    try {
      for (const c of a.fails) {
        const file = path.join(copy, c.file)
        const text = fs.readFileSync(file, 'utf8')
        if (!was.has(file)) was.set(file, text)
        fs.writeFileSync(file, text.replace(c.from, () => c.to))
      }
      build()
      const out = run('node', ['tests/s3matrix/main.mjs', 'advisories']).stdout
      const line = out.split('\n').find((l) => l.endsWith(` - ${a.id}`))
      if (!line) throw new Error(`the test did not run\n${out.slice(-2000)}`)
      return line.startsWith('not ok') || `the test does not notice: ${JSON.stringify(a.fails)}`
    } finally {
      for (const [file, text] of was) fs.writeFileSync(file, text)
    }
  })
finish()
process.exit()
