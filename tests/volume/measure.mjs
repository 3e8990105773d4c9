// Memory and descriptors of a process, from outside.
import fs from 'node:fs'
import { assert } from '../lib/tap.mjs'

export const MB = 1 << 20

// Bytes that the process has for itself, and its share of what it shares.
export const pss = (pid) => 1024 * Number(/^Pss:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1])
export const descriptors = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length

// { value, grown }: what fn gives, and by how many MB the process was larger than before while it ran, at most.
export async function growing(pid, fn) {
  const before = pss(pid)
  let most = before
  const look = () => (most = Math.max(most, pss(pid)))
  const timer = setInterval(look, 100)
  try {
    const value = await fn()
    look()
    return { value, grown: (most - before) / MB }
  } finally {
    clearInterval(timer)
  }
}

// As growing(); more than `bound` MB is a failure. The figure, for the test's name.
export async function bounded(pid, bound, fn) {
  const { value, grown } = await growing(pid, fn)
  assert(grown <= bound, `front grew by ${grown.toFixed(1)} MB, at most ${bound} MB are allowed`)
  return { value, said: `${grown.toFixed(1)} of at most ${bound} MB` }
}
