// The app of tests/payments/majors.mjs, unchanged, with its payments brokered: once in soft mode, once with a connected account. The daemon
// in the vendor's role knows no accounts, so who says of its events which account they are of stands between it and the broker.
import http from 'node:http'
import { note } from '../lib/tap.mjs'
import { portBase } from '../lib/daemon.mjs'
import { Broker, Vendor, request, sign } from './world.mjs'
import { flow } from '../payments/majors.mjs'

const ACCOUNT = 'acct_1ForFlow'

// Where the account's webhook leads instead of to the broker: { origin, secret, close() }.
async function connect(to) {
  const secret = `whsec_${'c'.repeat(32)}`
  const server = http.createServer((req, res) => {
    const parts = []
    req.on('data', (d) => parts.push(d))
    req.on('end', async () => {
      if (req.url !== '/webhooks/stripe') return res.writeHead(404).end() // the vendor's build has an endpoint by default
      const body = JSON.stringify({ ...JSON.parse(Buffer.concat(parts)), account: ACCOUNT })
      const r = await request(`${to}/webhooks/stripe`, { method: 'POST', body, headers: { 'Content-Type': 'application/json', 'Stripe-Signature': sign(secret, body) } }).catch(() => ({ status: 503, text: '' }))
      res.writeHead(r.status)
      res.end(r.text)
    })
  })
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  return { origin: `http://127.0.0.1:${server.address().port}`, secret, close: () => (server.closeAllConnections(), new Promise((done) => server.close(done))) }
}

export async function run() {
  for (const [major, values, version] of [[23, ['soft=yes']], [14, [`account=${ACCOUNT}`], '2023-10-16']]) {
    note(`SDK ${major}, ${values}`)
    const vendor = await Vendor.start()
    const base = await portBase()
    const between = values[0] === 'soft=yes' ? undefined : await connect(`http://127.0.0.1:${base + 4}`)
    const keys = await vendor.keys(base, { origin: between?.origin, version })
    const broker = await Broker.start({ ...keys, ...(between ? { webhook_secret: between.secret } : {}) }, { portBase: base })
    await flow(major, { org: true, base, daemon: broker.daemon, build: (id) => broker.build(id, values) })
    await broker.stop()
    await vendor.stop()
    await between?.close()
  }
}
