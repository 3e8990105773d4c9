// Limits on time, on machines that others use as well; tests/lib/meanwhile.py does the same. A limit is meant for a machine of our own. When it
// is passed, it counts as often as others' use of the processors meanwhile, or of the disk right now, explains, ten times at most. What this
// process and its children use explains nothing, so a daemon that is slow by itself is found on any machine.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

const HZ = 100 // USER_HZ, of every Linux that Node runs on
const CORES = os.cpus().length || 1
const MOST = 10
const SYNC_MS = 5 // a write and its sync, on a disk that nobody else uses

// Seconds of all processors that anybody has used, since the start of the machine.
function busy() {
  const t = fs.readFileSync('/proc/stat', 'utf8').split('\n')[0].trim().split(/\s+/).slice(1, 9).map(Number)
  return (t.reduce((a, b) => a + b) - t[3] - t[4]) / HZ
}

// Those of this process, its children, and theirs.
function own() {
  const of = new Map()
  const children = new Map()
  for (const pid of fs.readdirSync('/proc').filter((p) => /^\d+$/.test(p)).map(Number)) {
    let text
    try { text = fs.readFileSync(`/proc/${pid}/stat`, 'utf8') } catch { continue }
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ').map(Number)
    of.set(pid, (fields[11] + fields[12] + fields[13] + fields[14]) / HZ)
    children.set(fields[1], [...(children.get(fields[1]) ?? []), pid])
  }
  let total = 0
  for (const todo = [process.pid]; todo.length; ) {
    const pid = todo.pop()
    total += of.get(pid) ?? 0
    todo.push(...(children.get(pid) ?? []))
  }
  return total
}

function syncSlack() {
  const file = path.join(os.tmpdir(), `valetkey-sync-${process.pid}`)
  const fd = fs.openSync(file, 'w')
  try {
    const took = Array.from({ length: 5 }, () => {
      const t0 = performance.now()
      fs.writeSync(fd, Buffer.alloc(4096))
      fs.fsyncSync(fd)
      return performance.now() - t0
    })
    return took.sort((a, b) => a - b)[2] / SYNC_MS
  } finally {
    fs.closeSync(fd)
    fs.rmSync(file)
  }
}

// From now on: how many times as long as on a machine of our own something may have taken since then, and whether `took` is within
// `limit` (same unit) or as far beyond it as others explain.
export class Meanwhile {
  constructor() { Object.assign(this, { began: performance.now(), busy: busy(), own: own() }) }

  slack() {
    const used = Math.max(0, busy() - this.busy - (own() - this.own))
    const left = 1 - used / (CORES * Math.max((performance.now() - this.began) / 1000, 0.001))
    return Math.min(MOST, Math.max(1, 1 / Math.max(left, 1 / MOST), syncSlack()))
  }

  allows(took, limit) { return took <= limit || took <= limit * this.slack() }
}
