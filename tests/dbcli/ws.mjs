// A WebSocket client (RFC 6455) that knows text messages only: enough for Hrana.
import { createHash, randomBytes } from 'node:crypto'
import http from 'node:http'

export function connect(port, protocol) {
  return new Promise((resolve, reject) => {
    const key = randomBytes(16).toString('base64')
    const req = http.request({ host: '127.0.0.1', port, headers: { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': key, 'Sec-WebSocket-Protocol': protocol } })
    req.on('error', reject)
    req.on('response', (r) => reject(new Error(`no upgrade: ${r.statusCode}`)))
    req.on('upgrade', (res, socket, head) => {
      const want = createHash('sha1').update(key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64')
      if (res.headers['sec-websocket-accept'] !== want) return reject(new Error('wrong accept'))
      const ws = { messages: [], send: (text) => socket.write(frame(text)), close: () => socket.destroy() }
      let data = head
      const take = (more) => {
        data = Buffer.concat([data, more])
        for (let f; (f = next(data)); data = data.subarray(f.size)) if (f.opcode === 1) ws.messages.push(f.payload.toString('utf8'))
      }
      socket.on('data', take)
      socket.on('error', () => {})
      take(Buffer.alloc(0))
      resolve(ws)
    })
    req.end()
  })
}

function frame(text) {
  const payload = Buffer.from(text)
  if (payload.length > 65535) throw new Error('too long for this client')
  const mask = randomBytes(4)
  const head = payload.length < 126 ? Buffer.from([0x81, 0x80 | payload.length]) : Buffer.from([0x81, 0x80 | 126, payload.length >> 8, payload.length & 255])
  return Buffer.concat([head, mask, payload.map((b, i) => b ^ mask[i & 3])])
}

function next(data) {
  if (data.length < 2) return undefined
  let n = data[1] & 127
  let at = 2
  if (n === 126) { if (data.length < 4) return undefined; n = data.readUInt16BE(2); at = 4 } else if (n === 127) { if (data.length < 10) return undefined; n = Number(data.readBigUInt64BE(2)); at = 10 }
  return data.length < at + n ? undefined : { opcode: data[0] & 15, payload: data.subarray(at, at + n), size: at + n }
}
