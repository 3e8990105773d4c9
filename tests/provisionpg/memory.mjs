// Where a text lies in another process's memory: { name, locked } of each mapping that has it.
import fs from 'node:fs'

const PART = 1 << 22

function* mappings(pid) {
  let at
  for (const line of fs.readFileSync(`/proc/${pid}/smaps`, 'utf8').split('\n')) {
    const m = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+\s*(.*)/.exec(line)
    if (m) at = { start: BigInt(`0x${m[1]}`), end: BigInt(`0x${m[2]}`), readable: m[3][0] === 'r', name: m[4] }
    else if (line.startsWith('VmFlags:') && at) yield { ...at, locked: line.split(/\s+/).includes('lo') }
  }
}

export function hits(pid, texts) {
  const found = []
  const mem = fs.openSync(`/proc/${pid}/mem`, 'r')
  const part = Buffer.alloc(PART)
  try {
    for (const m of mappings(pid)) {
      if (!m.readable || /^\[v/.test(m.name)) continue
      for (let at = m.start; at < m.end; at += BigInt(PART - 128)) {
        let n
        try { n = fs.readSync(mem, part, 0, Number(m.end - at < BigInt(PART) ? m.end - at : BigInt(PART)), at) } catch { break } // a guard page
        for (const t of texts) if (part.subarray(0, n).includes(t)) found.push({ text: t, name: m.name, locked: m.locked, at: at.toString(16) })
      }
    }
  } finally {
    fs.closeSync(mem)
  }
  return found
}
