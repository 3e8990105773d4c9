import http from 'node:http'

// An app's webhook: keeps what it was sent.
export class Hook {
  constructor() {
    this.got = []
    this.waiting = new Set()
  }

  async open() {
    this.server = http.createServer((req, res) => {
      const parts = []
      req.on('data', (d) => parts.push(d))
      req.on('end', () => {
        this.got.push({ url: req.url, signature: req.headers['stripe-signature'], raw: Buffer.concat(parts) })
        res.end('ok')
        for (const look of this.waiting) look()
      })
    })
    await new Promise((done) => this.server.listen(0, '127.0.0.1', done))
    this.origin = `http://127.0.0.1:${this.server.address().port}`
    return this
  }

  // The first that fits, as soon as it is here.
  event(fits) {
    return new Promise((done, fail) => {
      const timer = setTimeout(() => end(fail, new Error(`no such event within 30 s; there were ${this.got.map((hit) => JSON.parse(hit.raw).type)}`)), 30_000)
      const look = () => {
        const hit = this.got.find((one) => fits(JSON.parse(one.raw)))
        if (hit) end(done, hit)
      }
      const end = (how, what) => {
        clearTimeout(timer)
        this.waiting.delete(look)
        how(what)
      }
      this.waiting.add(look)
      look()
    })
  }

  close() {
    this.server.closeAllConnections()
    return new Promise((done) => this.server.close(done))
  }
}
