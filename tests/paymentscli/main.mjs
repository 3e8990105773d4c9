import { spawn } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { binary, cleanUp, Daemon, portBase, request, run, sleep, tempFolder } from '../lib/daemon.mjs'
import { assert, assertSame, check, finish } from '../lib/tap.mjs'

const daemon = new Daemon({ portBase: await portBase() })
const top = tempFolder('valetkey-paymentscli')
const keys = {}

async function cli(args, { code = 0, input } = {}) {
  const r = await run(binary, ['payments', ...args, '--data', daemon.data], { input, cwd: top })
  assert(r.code === code, `${args.join(' ')}: exit ${r.code}\n${r.stdout.slice(-1500)}\n${r.stderr.slice(-1500)}`)
  assert(!/\x1b/.test(r.stdout + r.stderr), `${args}: colours where there is no terminal`)
  assert(!code || !r.stdout, `${args}: refused, and printed ${r.stdout.slice(0, 300)}`)
  return code ? r.stderr : r.stdout
}
const said = async (args, more) => JSON.parse(await cli([...args, '--json'], more))

async function build(id, ...origins) {
  const { env } = await daemon.createBuild(id)
  if (origins.length) await daemon.mustCli(['build', 'origins', id, ...origins])
  keys[id] = env.STRIPE_SECRET_KEY
  return env
}

// Stripe's API as curl asks it.
async function api(id, method, target, form) {
  const r = await request(`http://127.0.0.1:${daemon.portBase + 4}/v1/${target}`, {
    method,
    headers: { Authorization: `Bearer ${keys[id]}`, ...(form !== undefined ? { 'Content-Type': 'application/x-www-form-urlencoded' } : {}) },
    body: form,
  })
  assert(r.status === 200, `${method} ${target}: ${r.status} ${r.text.slice(0, 500)}`)
  return r.json()
}

async function until(look, what, ms = 30000) {
  const end = Date.now() + ms
  for (;;) {
    const got = await look()
    if (got) return got
    assert(Date.now() < end, `${what}: not within ${ms} ms`)
    await sleep(30)
  }
}

// An app whose answers are what a check wants.
const hits = []
let answer = 200
const app = http.createServer((req, res) => {
  let raw = ''
  req.on('data', (d) => (raw += d)).on('end', () => {
    hits.push({ path: req.url, event: JSON.parse(raw) })
    res.writeHead(answer).end('thank you\u001b[31m')
  })
})
await new Promise((r) => app.listen(0, '127.0.0.1', r))
const origin = `http://127.0.0.1:${app.address().port}`

const catalogue = {
  products: [
    {
      id: 'prod_pro', name: 'Pro', description: 'All of it', metadata: { tier: '2' }, marketing_features: [{ name: 'Fast' }],
      prices: [
        { lookup_key: 'pro_monthly', currency: 'usd', unit_amount: 1200, recurring: { interval: 'month' }, default: true },
        { lookup_key: 'pro_yearly', currency: 'usd', unit_amount: 12000, recurring: { interval: 'year', trial_period_days: 14 }, nickname: 'Yearly' },
      ],
    },
    { id: 'prod_mug', name: 'Mug', prices: [{ currency: 'eur', unit_amount: 950 }, { currency: 'jpy', unit_amount: 1500, metadata: { a: 'b' } }] },
  ],
  coupons: [
    { id: 'HALF', percent_off: 50, duration: 'once', name: 'Half', promotion_codes: [{ code: 'WELCOME', max_redemptions: 10 }] },
    { id: 'TENOFF', amount_off: 1000, currency: 'usd', duration: 'repeating', duration_in_months: 3 },
  ],
}
const write = (name, what) => fs.writeFileSync(path.join(top, name), typeof what === 'string' ? what : JSON.stringify(what))

const checks = {
  'a build without payments': async () => {
    await build('none')
    assertSame(await cli(['events', 'none']), 'none has no events like that.\n')
    assertSame(await said(['events', 'none']), { events: [] })
    assertSame(JSON.parse(await cli(['export', 'none'])), { products: [], coupons: [] })
    assertSame(await cli(['webhook', 'none']), 'The events of none go to http://localhost:3000/api/webhooks/stripe\n')
    assert(!fs.existsSync(`${daemon.data}/builds/none/payments.db`), 'who looks makes nothing')
  },

  'a catalogue from a file': async () => {
    await build('shop', origin)
    write('catalogue.json', catalogue)
    const out = await cli(['seed', 'shop', 'catalogue.json'])
    assert(/shop has what the file says/.test(out) && /Products +2 made, 0 changed, 0 as they were/.test(out) && /Prices +4 made/.test(out) && /Promotion codes +1 made/.test(out), out)
    const [monthly] = (await api('shop', 'GET', 'prices?lookup_keys[]=pro_monthly')).data
    assertSame([monthly.unit_amount, monthly.recurring.interval, monthly.product], [1200, 'month', 'prod_pro'])
    const pro = await api('shop', 'GET', 'products/prod_pro')
    assertSame([pro.default_price, pro.name, pro.metadata, pro.marketing_features], [monthly.id, 'Pro', { tier: '2' }, [{ name: 'Fast' }]])
    assertSame((await api('shop', 'GET', 'coupons/HALF')).percent_off, 50)
    assertSame((await api('shop', 'GET', 'promotion_codes?code=WELCOME')).data[0].max_redemptions, 10)
    assertSame((await api('shop', 'GET', 'prices?product=prod_mug')).data.map((p) => [p.currency, p.unit_amount]).sort(), [['eur', 950], ['jpy', 1500]])
    await until(() => hits.some((h) => h.event.type === 'promotion_code.created'), 'the app was told of it')
  },

  'the same again changes nothing': async () => {
    const before = (await said(['events', 'shop', '--limit', '100'])).events.length
    const same = await said(['seed', 'shop', 'catalogue.json'])
    assertSame(same, { products: { made: 0, changed: 0, same: 2 }, prices: { made: 0, changed: 0, same: 4 }, coupons: { made: 0, changed: 0, same: 2 }, promotion_codes: { made: 0, changed: 0, same: 1 } })
    assertSame((await said(['events', 'shop', '--limit', '100'])).events.length, before, 'no event')
  },

  'what has changed is changed': async () => {
    const next = structuredClone(catalogue)
    next.products[0].name = 'Professional'
    next.products[0].prices[0].unit_amount = 1500
    next.products[0].prices[1].nickname = 'By the year'
    const [old] = (await api('shop', 'GET', 'prices?lookup_keys[]=pro_monthly')).data
    const got = await said(['seed', 'shop', '-'], { input: JSON.stringify(next) })
    assertSame([got.products, got.prices], [{ made: 0, changed: 1, same: 1 }, { made: 1, changed: 1, same: 2 }])
    const [now] = (await api('shop', 'GET', 'prices?lookup_keys[]=pro_monthly')).data
    assertSame([now.unit_amount, (await api('shop', 'GET', 'products/prod_pro')).default_price], [1500, now.id])
    const was = await api('shop', 'GET', `prices/${old.id}`)
    assertSame([was.unit_amount, was.active, was.lookup_key], [1200, false, null], 'prices never change: there is a new one')
  },

  'all of it or nothing': async () => {
    await build('careful')
    const wrong = structuredClone(catalogue)
    wrong.products[1].prices[1].currency = 'xxx'
    write('wrong.json', wrong)
    const err = await cli(['seed', 'careful', 'wrong.json'], { code: 1 })
    assert(err.includes('products[1].prices[1]') && err.includes('xxx'), err)
    assertSame(JSON.parse(await cli(['export', 'careful'])), { products: [], coupons: [] })
    for (const [text, word] of [['{', 'JSON object'], ['[]', 'JSON object'], ['{"goods":[]}', 'products'], ['{"products":[{"name":"x"}]}', '"id"'], ['{"products":[{"id":"a","name":"x","colour":"red"}]}', 'colour'],
      ['{"coupons":[{"id":"a","promotion_codes":[{}]}]}', 'coupons[0]'], ['{"products":{}}', 'arrays'], [`{"products":[${'{"id":"a"},'.repeat(600)}{"id":"b"}]}`, '500']]) {
      write('wrong.json', text)
      const said = await cli(['seed', 'careful', 'wrong.json'], { code: word.startsWith('JSON') ? 2 : 1 })
      assert(said.includes(word), `${text.slice(0, 80)}: ${said}`)
    }
    assert((await cli(['seed', 'careful', 'nowhere.json'], { code: 1 })).includes('nowhere.json cannot be read'), 'no file')
    write('large.json', ' '.repeat(2 << 20))
    assert((await cli(['seed', 'careful', 'large.json'], { code: 1 })).includes('larger than'), 'a large file')
    assert((await cli(['seed', 'careful', '-'], { code: 1, input: '' })).includes('Standard input is empty'), 'nothing, as of a pipe that broke')
  },

  'there and back': async () => {
    await build('copy')
    const out = await cli(['export', 'shop'])
    await cli(['seed', 'copy', '-'], { input: out })
    const [a, b] = [JSON.parse(out), JSON.parse(await cli(['export', 'copy']))]
    assertSame(b, a)
    assertSame([a.products.length, a.coupons.length, a.products.find((p) => p.id === 'prod_pro').prices.filter((p) => p.default).length], [2, 2, 1])
    assertSame((await said(['seed', 'copy', '-'], { input: out })).products, { made: 0, changed: 0, same: 2 })
    assert((await cli(['export', 'shop', '--out', 'shop.json'])).includes('shop.json has the catalogue of shop'), '--out')
    assertSame(JSON.parse(fs.readFileSync(path.join(top, 'shop.json'), 'utf8')), a)
    assert((await cli(['export', 'shop', '--out', 'shop.json'], { code: 1 })).includes('exists'), 'not over a file')
    await cli(['export', 'shop', '--out', 'shop.json', '--force'])
  },

  'amounts as texts and as numbers': async () => {
    await build('texts')
    const all = (of) => JSON.stringify({ products: [{ id: 'p', name: 'P', prices: [{ lookup_key: 'a', currency: 'usd', unit_amount: of(1200), recurring: { interval: 'month', interval_count: of(3) } }, { lookup_key: 'b', currency: 'usd', unit_amount_decimal: of(10.5) }] }] })
    await cli(['seed', 'texts', '-'], { input: all((n) => n) })
    for (const of of [String, (n) => n]) assertSame((await said(['seed', 'texts', '-'], { input: all(of) })).prices, { made: 0, changed: 0, same: 2 })
    assertSame((await said(['seed', 'texts', '-'], { input: all((n) => (n === 10.5 ? 11.5 : n)) })).prices, { made: 1, changed: 0, same: 1 })
  },

  'what was made for one checkout is of no catalogue': async () => {
    await build('inline')
    const form = (data) => new URLSearchParams(data).toString()
    const item = (data) => form({ mode: 'payment', success_url: 'http://localhost:3000/', 'line_items[0][quantity]': 1, 'line_items[0][price_data][currency]': 'usd', 'line_items[0][price_data][unit_amount]': 500, ...data })
    await api('inline', 'POST', 'products', form({ id: 'kept', name: 'Kept' }))
    await api('inline', 'POST', 'products', form({ id: 'past', name: 'Not sold any more', active: false }))
    for (let i = 0; i < 5; i++) await api('inline', 'POST', 'checkout/sessions', item({ 'line_items[0][price_data][product_data][name]': `One of a kind ${i}` }))
    await api('inline', 'POST', 'checkout/sessions', item({ 'line_items[0][price_data][product]': 'kept' }))
    assertSame((await api('inline', 'GET', 'products')).data.length, 7)
    assertSame(JSON.parse(await cli(['export', 'inline'])), { products: [{ id: 'kept', name: 'Kept', active: true }, { id: 'past', name: 'Not sold any more', active: false }], coupons: [] })
  },

  'the events': async () => {
    await build('told', origin)
    const c = await api('told', 'POST', 'customers', 'email=ada@example.com')
    await api('told', 'POST', 'products', 'name=x')
    await until(async () => (await said(['events', 'told'])).events.every((e) => e.deliveries[0].state === 'delivered'), 'delivered')
    const lines = (await cli(['events', 'told'])).trimEnd().split('\n')
    assertSame(lines[0].trim().split(/ +/), ['WHEN', 'EVENT', 'TYPE', 'OBJECT', 'ANSWER'])
    assert(/product\.created +prod_\w+ +200$/.test(lines[2]) && /customer\.created +cus_\w+ +200$/.test(lines[3]) && lines.length === 4, lines.join('\n'))
    const { events } = await said(['events', 'told', '--type', 'customer.*'])
    assertSame(events.map((e) => [e.type, e.object]), [['customer.created', c.id]])
    assertSame((await said(['events', 'told', '--limit', '1'])).events.map((e) => e.type), ['product.created'])
    const one = await said(['events', 'told', events[0].id])
    assertSame([one.event.id, one.event.data.object.email, one.deliveries[0].attempts[0].status], [events[0].id, 'ada@example.com', 200])
    const shown = await cli(['events', 'told', events[0].id])
    assert(shown.includes('customer.created') && shown.includes('to default: 200') && shown.includes('thank you\\x1b[31m'), shown)
  },

  'once more': async () => {
    const [event] = (await said(['events', 'told'])).events
    const before = hits.length
    assert((await cli(['resend', 'told', event.id])).includes(`${event.id} is on its way to 1 endpoint.`), 'said')
    await until(() => hits.length > before, 'it came')
    assertSame(hits.at(-1).event.id, event.id)
    assertSame(await said(['resend', 'told', event.id, '--endpoint', 'default']), { id: event.id, deliveries: 1 })
    answer = 418
    await cli(['resend', 'told', event.id])
    await until(async () => (await cli(['events', 'told'])).includes('418, retrying'), 'what is wrong is shown')
    answer = 200
  },

  'following': async () => {
    const p = spawn(binary, ['payments', 'events', 'told', '--follow', '--type', 'product.*', '--data', daemon.data], { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    p.stdout.setEncoding('utf8').on('data', (d) => (out += d))
    await until(() => /product\.created/.test(out), 'what was')
    const made = await api('told', 'POST', 'products', 'name=followed')
    await api('told', 'POST', 'customers', 'name=not')
    await api('told', 'POST', `products/${made.id}`, 'name=again')
    await until(() => out.trimEnd().split('\n').length >= 3, 'what comes')
    p.kill('SIGINT')
    await new Promise((r) => p.on('close', r))
    const types = out.trimEnd().split('\n').map((l) => l.split(/ {2,}/)[2])
    assertSame(types, ['product.created', 'product.created', 'product.updated'], 'the oldest first, each once')
  },

  'where they go': async () => {
    assert((await cli(['webhook', 'told', '--path', '/hook'])).startsWith(`✓ The events of told go to ${origin}/hook`), 'path')
    await api('told', 'POST', 'customers', 'name=there')
    await until(() => hits.at(-1)?.path === '/hook', 'there')
    assertSame(await said(['webhook', 'told', '--url', `${origin}/x`]), { off: false, url: `${origin}/x`, path: null })
    assert((await cli(['webhook', 'told', '--off'])).includes('to its own endpoints only'), 'off')
    assert((await cli(['webhook', 'told'])).includes('to its own endpoints only'), 'off, shown')
    for (const [args, word, code] of [[['--url', 'https://evil.example/x'], 'origins', 1], [['--path', 'x'], 'path', 2], [['--path', '/x', '--off'], 'one of', 2]])
      assert((await cli(['webhook', 'told', ...args], { code })).includes(word), args.join(' '))
    assertSame((await said(['webhook', 'told'])).off, true, 'nothing was set')
  },

  'what is refused is said': async () => {
    for (const [args, word, code] of [
      [['events', 'nope'], 'There is no build "nope"', 1], [['events'], 'ID', 2], [['events', 'told', '--limit', '101'], 'limit', 2], [['events', 'told', '--limit', 'x'], 'limit', 2],
      [['events', 'told', '../../x'], 'no id of an event', 2], [['events', 'told', 'evt_00000000'], 'no such event', 1], [['events', 'told', 'evt_0', '--follow'], '--follow', 2],
      [['events', 'none', 'evt_00000000'], 'no such event', 1], [['resend', 'told', 'evt_00000000'], 'no such event', 1], [['resend', 'told'], 'EVENT', 2], [['resend', 'told', 'x/y'], 'no id of an event', 2],
      [['seed', 'told'], 'FILE', 2], [['seed', 'nope', 'catalogue.json'], 'There is no build "nope"', 1], [['export', 'nope'], 'There is no build "nope"', 1], [['webhook', 'No pe'], 'no build id', 2]]) {
      const err = await cli(args, { code })
      assert(err.includes(word) && err.trimEnd().split('\n').length === 1, `${args.join(' ')}: ${err}`)
      if (code === 1) {
        const e = JSON.parse(await cli([...args, '--json'], { code })).error
        assert(e.code && e.message.includes(word), `${args.join(' ')} --json: ${JSON.stringify(e)}`)
      }
    }
  },

  'a revoked build': async () => {
    await daemon.mustCli(['build', 'revoke', 'shop'])
    assert((await said(['events', 'shop'])).events.length > 0 && JSON.parse(await cli(['export', 'shop'])).products.length === 2, 'it can be seen and taken along')
    assert((await cli(['seed', 'shop', 'catalogue.json'], { code: 1 })).includes('revoked'), 'seed')
    assert((await cli(['webhook', 'shop', '--off'], { code: 1 })).includes('revoked'), 'webhook')
    const [event] = (await said(['events', 'shop'])).events
    assert((await cli(['resend', 'shop', event.id], { code: 1 })).includes('revoked'), 'resend')
  },

  '--help has examples': async () => {
    for (const c of ['events', 'resend', 'webhook', 'seed', 'export']) {
      const { stdout } = await run(binary, ['payments', c, '--help'])
      assert(stdout.includes('Examples:') && stdout.includes(`valetkey payments ${c} demo`) && Math.max(...stdout.split('\n').map((l) => l.length)) <= 125, stdout)
    }
    const { stdout } = await run(binary, ['completion', 'bash'])
    assert(['events', 'resend', 'webhook', 'seed', 'export'].every((c) => stdout.includes(`payments ${c}`) || stdout.includes(c)) && stdout.includes('--follow'), 'completion')
  },

  'without a daemon': async () => {
    for (const args of [['events', 'told'], ['resend', 'told', 'evt_0'], ['webhook', 'told'], ['export', 'told']]) {
      const r = await run(binary, ['payments', ...args, '--data', `${top}/nowhere`])
      assert(r.code === 1 && r.stderr.includes('valetkey serve'), `${args}: ${r.stderr}`)
    }
  },

  'behind all fences': async () => {
    assert(!/EACCES|ENOSYS| error /.test(daemon.log), daemon.log.slice(-2000))
    assert(!/whsec_|sk_test_|example\.com/.test(daemon.log), 'no secret and no address in the log')
  },
}

try {
  await daemon.start()
  for (const [name, fn] of Object.entries(checks)) await check(name, fn)
} finally {
  await cleanUp()
  app.close()
  app.closeAllConnections()
}
finish()
