// The daemon that can play the vendors (src/core/vendor.h), compiled in a folder of its own.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { root } from './daemon.mjs'

export const vendorBinary = path.join(root, 'build-vendor', 'valetkey')

export function buildVendor() {
  const go = (command, ...args) => {
    const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 })
    if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${`${stdout}${stderr}`.slice(-4000)}`)
  }
  // Two suites may want it at once.
  const lock = path.join(root, '.tools', 'build-vendor.lock')
  fs.mkdirSync(path.dirname(lock), { recursive: true })
  if (!fs.existsSync(path.join(root, 'build-vendor', 'build.ninja')))
    go('flock', lock, 'sh', '-c', '[ -f build-vendor/build.ninja ] || meson setup build-vendor -Dtest_vendor=true -Dunit_tests=false')
  go('flock', lock, 'nice', 'ninja', '-C', 'build-vendor', 'valetkey')
}
