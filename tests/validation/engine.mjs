// The template's key checks as modules that Node loads. What they need is in a folder of this suite, so that it runs beside those that build the
// template; the versions are the template's (./table.mjs looks).
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { root, tempFolder } from '../lib/daemon.mjs'

export const template = path.join(root, 'template')
export const here = path.join(root, 'tests', 'validation')
const PARTS = ['key-ladder', 'key-postgres', 'key-rules', 'key-send', 'key-guard', 'validate-keys']

export function compile() {
  if (!existsSync(path.join(here, 'node_modules', '.bin', 'tsc'))) {
    const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: here, stdio: ['ignore', 'ignore', 'inherit'] })
    if (status !== 0) throw new Error('npm ci failed in tests/validation')
  }
  const folder = tempFolder('valetkey-checks')
  const [source, out] = [path.join(folder, 'source'), path.join(folder, 'out')]
  cpSync(path.join(template, 'src', 'lib'), source, { recursive: true })
  symlinkSync(path.join(here, 'node_modules'), path.join(folder, 'node_modules'))
  const { status, stdout, stderr } = spawnSync(
    path.join(here, 'node_modules', '.bin', 'tsc'),
    ['--ignoreConfig', '--rootDir', source, '--outDir', out, '--module', 'commonjs', '--moduleResolution', 'bundler', '--target', 'es2022', '--lib', 'esnext', '--strict', '--noUncheckedIndexedAccess',
      '--resolveJsonModule', '--esModuleInterop', '--skipLibCheck', '--types', 'node', ...PARTS.map((part) => path.join(source, `${part}.ts`))],
    { cwd: folder, encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(`tsc: exit ${status}\n${stdout}${stderr}`)
  writeFileSync(path.join(out, 'package.json'), '{"type":"commonjs"}')
  return createRequire(path.join(out, 'package.json'))
}
