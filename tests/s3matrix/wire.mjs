// HTTP as bytes on a socket, since fetch, node's http and the SDKs normalise paths and refuse what is to be tried here. Texts are one
// character a byte (latin1) throughout; bin() makes such a text of a string.
import net from 'node:net'

export const bin = (s) => Buffer.from(s, 'utf8').toString('latin1')

// One answer: status, headers by lower-case name (a list each), body, code (of an error document), closes.
function parse(head, method) {
  const [first, ...lines] = head.split('\r\n')
  const headers = new Map()
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    headers.set(name, [...(headers.get(name) ?? []), line.slice(colon + 1).trim()])
  }
  const status = Number(first.split(' ')[1])
  const one = (name) => headers.get(name)?.[0]
  const empty = method === 'HEAD' || status < 200 || status === 204 || status === 304
  return { status, head, headers, one, length: empty ? 0 : Number(one('content-length') ?? -1), closes: one('connection') === 'close' }
}

export class Conn {
  constructor(port) {
    Object.assign(this, { came: Buffer.alloc(0), over: false, used: 0, got: 0 })
    this.socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true }) // the other end's half may end before ours
    this.socket.on('data', (d) => {
      this.came = this.came.length ? Buffer.concat([this.came, d]) : d
      this.got += d.length
      this.wake?.()
    })
    for (const e of ['end', 'close', 'error']) this.socket.on(e, () => { this.over = true; this.wake?.() })
  }

  write(bytes) { if (!this.socket.destroyed) this.socket.write(Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes, 'latin1')) }
  close() { this.socket.destroy() }

  async until(have, ms) {
    const end = Date.now() + ms
    for (;;) {
      const r = have()
      if (r !== undefined) return r
      if (this.over) return undefined
      const left = end - Date.now()
      if (left <= 0) throw new Error(`no answer within ${ms} ms; ${this.came.length} bytes came: ${this.came.subarray(0, 200).toString('latin1')}`)
      let timer
      await new Promise((r) => { this.wake = r; timer = setTimeout(r, left) })
      clearTimeout(timer)
    }
  }

  // The next answer; undefined: the connection ended without one. Interim ones count only when they are asked for.
  async answer(method = 'GET', { interim = false, ms = 20000 } = {}) {
    for (;;) {
      const at = await this.until(() => { const i = this.came.indexOf('\r\n\r\n'); return i < 0 ? undefined : i }, ms)
      if (at === undefined) return undefined
      const r = parse(this.came.subarray(0, at).toString('latin1'), method)
      this.came = this.came.subarray(at + 4)
      if (r.status < 200 && !interim) continue
      if (r.length < 0) await this.until(() => undefined, ms)
      const n = r.length < 0 ? this.came.length : r.length
      r.cut = (await this.until(() => (this.came.length >= n ? true : undefined), ms)) !== true
      r.body = this.came.subarray(0, n)
      this.came = this.came.subarray(Math.min(n, this.came.length))
      r.text = r.body.toString('latin1')
      r.code = /<Code>([^<]*)<\/Code>/.exec(r.text)?.[1]
      return r
    }
  }

  // Whether the other end closes within that time.
  async ends(ms) {
    try { await this.until(() => undefined, ms) } catch { return false }
    return true
  }
}

// The bytes of a request: { method, path, query, headers: [[name, value]], body }, all of it as it is to stand on the wire.
export function bytesOf(r) {
  const head = `${r.method} ${r.path}${r.query ? `?${r.query}` : ''} HTTP/1.1\r\n${r.headers.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), Buffer.isBuffer(r.body) ? r.body : Buffer.from(r.body ?? '', 'latin1')])
}

// Connections to one port that are used again and again, as many as there are requests at once.
export class Pool {
  constructor(port) { Object.assign(this, { port, idle: [] }) }

  async ask(request) {
    const bytes = Buffer.isBuffer(request) ? request : bytesOf(request)
    const method = Buffer.isBuffer(request) ? request.subarray(0, request.indexOf(' ')).toString() : request.method
    for (;;) {
      const c = this.idle.pop() ?? new Conn(this.port)
      if (c.over) continue
      const before = c.got
      c.write(bytes)
      const r = await c.answer(method)
      if (!r && c.used && c.got === before) { c.close(); continue } // it was closed for being idle meanwhile
      c.used++
      if (r && !r.closes && !c.over && c.came.length === 0) this.idle.push(c)
      else c.close()
      if (!r) throw new Error(`the connection ended without an answer to ${bytes.subarray(0, 300).toString('latin1')}`)
      return r
    }
  }

  close() { for (const c of this.idle) c.close(); this.idle = [] }
}

// Runs `fn` for every item, so many at a time.
export async function eachOf(items, width, fn) {
  const todo = [...items]
  await Promise.all(Array.from({ length: width }, async () => { while (todo.length) await fn(todo.shift()) }))
}
