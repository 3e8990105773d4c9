// A range of ports for one run of one suite; tests/lib/ports.py does the same. Whoever listens on a range's last port owns the range
// until its process ends, however it ends, so runs side by side never meet.
import net from 'node:net'

const RANGE = 100
const FIRST = 20000
const LAST = 32699 // below the ports that the kernel gives to clients

// The listening server; undefined when somebody else has the port.
const listen = (port) =>
  new Promise((resolve, reject) => {
    const s = net.createServer()
    s.once('error', (e) => (['EADDRINUSE', 'EACCES'].includes(e.code) ? resolve(undefined) : reject(e)))
    s.listen(port, '127.0.0.1', () => resolve(s))
  })
const close = (s) => new Promise((r) => s.close(r))

export async function portFree(port) {
  const s = await listen(port)
  if (s) await close(s)
  return Boolean(s)
}

// Where to look: from VALETKEY_TEST_PORT_BASE on, then everywhere, from a place that differs between processes.
function ranges() {
  const given = process.env.VALETKEY_TEST_PORT_BASE
  const n = Math.floor((LAST + 1 - FIRST) / RANGE)
  const wanted = Array.from({ length: given ? 20 : 0 }, (_, i) => Number(given) + RANGE * i)
  return [...wanted, ...Array.from({ length: n }, (_, i) => FIRST + RANGE * ((process.pid + i) % n))]
}

// The first port of a range that is this process's alone and of which nobody has any port.
export async function portBase() {
  for (const base of ranges()) {
    const guard = await listen(base + RANGE - 1)
    if (!guard) continue
    const free = await Promise.all(Array.from({ length: RANGE - 1 }, (_, i) => portFree(base + i)))
    if (free.every(Boolean)) {
      guard.unref()
      return base
    }
    await close(guard)
  }
  throw new Error('no free range of ports; VALETKEY_TEST_PORT_BASE says where to look for one')
}
