// The template's key checks as modules that Node loads: compiled once, by the template's own compiler.
import { spawnSync } from 'node:child_process'
import { existsSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { root, tempFolder } from '../lib/daemon.mjs'

export const template = path.join(root, 'template')

/** The packages of the lock file, without the app's build. */
export function compile() {
  if (!existsSync(path.join(template, 'node_modules', 'pg')) || !existsSync(path.join(template, 'node_modules', '.bin', 'tsc'))) {
    const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: template, stdio: ['ignore', 'ignore', 'inherit'] })
    if (status !== 0) throw new Error('npm ci failed in template')
  }
  const out = tempFolder('valetkey-checks')
  writeFileSync(path.join(out, 'package.json'), '{"type":"commonjs"}')
  const { status, stdout, stderr } = spawnSync(
    path.join(template, 'node_modules', '.bin', 'tsc'),
    ['--ignoreConfig', '--outDir', out, '--module', 'commonjs', '--moduleResolution', 'bundler', '--target', 'es2022', '--lib', 'esnext', '--strict', '--noUncheckedIndexedAccess', '--resolveJsonModule',
      '--esModuleInterop', '--skipLibCheck', '--types', 'node', ...['key-ladder', 'key-postgres', 'key-rules', 'key-send', 'key-guard', 'validate-keys'].map((part) => path.join('src', 'lib', `${part}.ts`))],
    { cwd: template, encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(`tsc: exit ${status}\n${stdout}${stderr}`)
  symlinkSync(path.join(template, 'node_modules'), path.join(out, 'node_modules'))
  return createRequire(path.join(out, 'package.json'))
}
