// A WebSocket client that can also do what a client must not: frames by hand, without a mask, in pieces.
import net from 'node:net'

export const TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10

export function frame(opcode, payload, { fin = true, mask = true, rsv = 0 } = {}) {
  const body = Buffer.from(payload)
  const n = body.length
  const head = n < 126 ? Buffer.from([0, n]) : n < 65536 ? Buffer.from([0, 126, n >> 8, n & 255]) : Buffer.alloc(10)
  if (n >= 65536) { head[1] = 127; head.writeBigUInt64BE(BigInt(n), 2) }
  head[0] = (fin ? 0x80 : 0) | rsv | opcode
  if (!mask) return Buffer.concat([head, body])
  head[1] |= 0x80
  const key = Buffer.from([0x12, 0x9a, 0x45, 0xe0])
  for (let i = 0; i < n; i++) body[i] ^= key[i & 3]
  return Buffer.concat([head, key, body])
}

export class Socket {
  constructor() {
    this.in = Buffer.alloc(0)
    this.waiting = []
    this.messages = [] // texts
    this.pongs = []
    this.id = 0
  }

  // Resolves when the response head is there: .status, .head. 101: .closed resolves to { code, reason, at } when all is over.
  static open(port, { protocols = ['hrana2'], path = '/', headers = {}, key = 'dGhlIHNhbXBsZSBub25jZQ==', version = '13' } = {}) {
    const s = new Socket()
    const lines = [`GET ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`, 'Connection: Upgrade', 'Upgrade: websocket', `Sec-WebSocket-Key: ${key}`, `Sec-WebSocket-Version: ${version}`]
    if (protocols.length) lines.push(`Sec-WebSocket-Protocol: ${protocols.join(', ')}`)
    for (const [k, v] of Object.entries(headers)) lines.push(`${k}: ${v}`)
    s.net = net.connect(port, '127.0.0.1', () => s.net.write(lines.join('\r\n') + '\r\n\r\n'))
    s.net.setNoDelay(true)
    s.closed = new Promise((resolve) => {
      s.net.on('error', (e) => (s.error = e.code))
      s.net.on('close', () => {
        s.over = { ...(s.closing ?? { code: 1006, reason: s.error ?? '' }), at: s.closing?.at ?? process.hrtime.bigint() }
        for (const w of s.waiting.splice(0)) w()
        resolve(s.over)
      })
    })
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no response head within 10 s')), 10000)
      s.ready = () => (clearTimeout(timer), resolve(s))
      s.closed.then(() => (clearTimeout(timer), s.head ? undefined : reject(new Error(`the connection ended: ${s.error}`))))
      s.net.on('data', (d) => s.take(d))
    })
  }

  take(data) {
    this.in = Buffer.concat([this.in, data])
    if (!this.head) {
      const end = this.in.indexOf('\r\n\r\n')
      if (end < 0) return
      this.head = this.in.toString('latin1', 0, end + 2)
      this.status = Number(this.head.slice(9, 12))
      this.in = this.in.subarray(end + 4)
      this.ready()
    }
    if (this.status !== 101) return
    for (;;) {
      if (this.in.length < 2) return
      let n = this.in[1] & 127
      let h = 2
      if (this.in[1] & 0x80) throw new Error('a masked frame of the server')
      if (n === 126) { h = 4; if (this.in.length < h) return; n = this.in.readUInt16BE(2) } else if (n === 127) { h = 10; if (this.in.length < h) return; n = Number(this.in.readBigUInt64BE(2)) }
      if (this.in.length < h + n) return
      const opcode = this.in[0] & 15
      const body = this.in.subarray(h, h + n)
      this.in = this.in.subarray(h + n)
      if (opcode === CLOSE) {
        this.closing = { code: n ? body.readUInt16BE(0) : 1005, reason: body.toString('utf8', 2), at: process.hrtime.bigint() }
        this.net.end(frame(CLOSE, body.subarray(0, 2)))
      } else if (opcode === PING) this.net.write(frame(PONG, body))
      else if (opcode === PONG) this.pongs.push(body.toString())
      else this.messages.push(body.toString('utf8'))
      for (const w of this.waiting.splice(0)) w()
    }
  }

  raw(bytes) { this.net.write(bytes) }
  say(message) { this.raw(frame(TEXT, typeof message === 'string' ? message : JSON.stringify(message))) }

  // The first text for which `is` says yes, taken out of what came; undefined once the connection is over.
  async next(is = () => true, timeout = 20000) {
    const until = Date.now() + timeout
    for (;;) {
      const i = this.messages.findIndex(is)
      if (i >= 0) return this.messages.splice(i, 1)[0]
      if (this.over || this.closing) return undefined
      if (Date.now() > until) throw new Error(`nothing came within ${timeout} ms`)
      await new Promise((r) => { const t = setTimeout(r, 200); this.waiting.push(() => (clearTimeout(t), r())) })
    }
  }

  async hello(jwt) {
    this.say({ type: 'hello', jwt })
    const m = await this.next()
    return m && JSON.parse(m)
  }

  // Sends a request; its answer, or undefined once the connection is over.
  ask(request, timeout) {
    const id = this.id++
    this.say({ type: 'request', request_id: id, request })
    return this.next((m) => JSON.parse(m).request_id === id, timeout).then((m) => m && JSON.parse(m))
  }

  // One statement on a stream.
  sql(stream_id, sql, args = []) { return this.ask({ type: 'execute', stream_id, stmt: { sql, args } }) }

  end() { this.net.destroy() }
}
