// Who has no business there, and what no form of ours sends. Requests as programs make them, without a browser.
import { assert, assertSame } from '../lib/tap.mjs'
import { FIELDS, Shop, base, browser, daemon, get, line, pages, post } from './rig.mjs'

const HEADERS = {
  'cache-control': 'no-cache, no-store', 'referrer-policy': 'no-referrer', 'x-content-type-options': 'nosniff', 'x-robots-tag': 'noindex', 'x-frame-options': 'DENY', 'cross-origin-opener-policy': 'same-origin',
}
const open = async (shop, s) => (await shop.stripe.checkout.sessions.retrieve(s.id)).status
const policy = (r) => Object.fromEntries(r.headers['content-security-policy'].split('; ').map((p) => [p.split(' ')[0], p.split(' ').slice(1).join(' ')]))

export async function headers_of_every_page(shop) {
  const s = await shop.session()
  const all = [await get(s.url), await get(`${s.url}x`), await post(s.url, { action: 'pay' }), await post(s.url, FIELDS, { headers: { Origin: 'https://evil.example' } }), await get(`${pages}/b/nobody/c/pay/x`), await post(s.url, 'a=%ff')]
  assertSame(all.map((r) => r.status), [200, 404, 402, 403, 404, 400])
  for (const r of all) {
    for (const [name, value] of Object.entries(HEADERS)) assertSame(r.headers[name], value, `${name} of ${r.status}`)
    const p = policy(r)
    assertSame([p['default-src'], p['script-src'], p['style-src'], p['frame-ancestors'], p['base-uri']], ["'none'", "'self'", "'self'", "'none'", "'none'"])
    assert(/^text\/html; charset=utf-8$/.test(r.type), r.type)
    assert(!/ style=| on[a-z]+="|<script(?! src="\/assets\/pay\.js" defer>)|javascript:/.test(r.text), r.text)
    assert(r.headers['set-cookie'] === undefined && r.headers['access-control-allow-origin'] === undefined, 'no cookie, no CORS')
  }
  assertSame([policy(all[0])['form-action'], policy(all[1])['form-action']], ["'self' http: https:", "'self'"])
  for (const asset of ['pay.css', 'pay.js']) assertSame((await get(`${pages}/assets/${asset}`)).status, 200)
  assertSame((await get(`${pages}/assets/../b`)).status >= 400, true)
}

export async function another_builds_session(shop) {
  const other = await new Shop().open('other-shop', base + 51)
  try {
    const mine = await shop.session()
    const theirs = await other.session()
    const crossed = [mine.url.replace('/b/acme-store/', '/b/other-shop/'), theirs.url.replace('/b/other-shop/', '/b/acme-store/')]
    for (const url of crossed)
      for (const r of [await get(url), await post(url, FIELDS), await get(`${url}/authenticate`), await post(`${url}/authenticate`, { result: 'complete' })]) {
        assertSame(r.status, 404)
        assert(!r.text.includes('T-shirt'), r.text)
      }
    assertSame([await open(shop, mine), await open(other, theirs)], ['open', 'open'])
    const charge = (await shop.stripe.paymentIntents.create({ amount: 700, currency: 'usd', payment_method: 'pm_card_visa', confirm: true, return_url: `${shop.origin}/return`, expand: ['latest_charge'] })).latest_charge
    assertSame([(await get(charge.receipt_url)).status, (await get(charge.receipt_url.replace('acme-store', 'other-shop'))).status, (await get(charge.receipt_url.slice(0, -1))).status, (await get(`${pages}/b/acme-store/receipts/${charge.id}`)).status], [200, 404, 404, 404])
    const price = await shop.stripe.prices.create({ currency: 'usd', unit_amount: 999, product_data: { name: 'Sticker' } })
    const link = await shop.stripe.paymentLinks.create({ line_items: [{ price: price.id, quantity: 1 }] })
    assertSame((await get(link.url.replace('acme-store', 'other-shop'))).status, 404)
  } finally {
    await other.close()
  }
}

export async function forms_of_other_origins(shop) {
  const s = await shop.session()
  for (const headers of [{ Origin: 'https://evil.example' }, { Origin: shop.origin }, { Origin: 'null', 'Sec-Fetch-Site': 'cross-site' }, { 'Sec-Fetch-Site': 'same-site' }, { Origin: pages, 'Sec-Fetch-Site': 'cross-site' }])
    assertSame([JSON.stringify(headers), (await post(s.url, FIELDS, { headers })).status], [JSON.stringify(headers), 403])
  assertSame(await open(shop, s), 'open')
  // A page of the shop, in a browser: it may lead there, and may not pay there.
  const { page } = browser
  await page.goto(`${shop.origin}/cart`)
  await page.evaluate(({ url, fields }) => {
    const f = Object.assign(document.createElement('form'), { method: 'post' })
    f.setAttribute('action', url)
    for (const [name, value] of Object.entries(fields)) f.append(Object.assign(document.createElement('input'), { type: 'hidden', name, value }))
    document.body.append(f)
    HTMLFormElement.prototype.submit.call(f)
  }, { url: s.url, fields: FIELDS })
  await page.getByText('Form refused').waitFor()
  assertSame(await open(shop, s), 'open')
  assertSame((await post(s.url, FIELDS, { headers: { Origin: pages, 'Sec-Fetch-Site': 'same-origin' } })).status, 303)
}

export async function methods(shop) {
  const s = await shop.session()
  const head = await get(s.url, { method: 'HEAD' })
  assertSame([head.status, head.text, head.headers['cache-control']], [200, '', 'no-cache, no-store'])
  for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE']) {
    const r = await get(s.url, { method })
    assert(r.status >= 400 && r.status < 500, `${method}: ${r.status}`)
  }
  const price = await shop.stripe.prices.create({ currency: 'usd', unit_amount: 999, product_data: { name: 'Sticker' } })
  const link = await shop.stripe.paymentLinks.create({ line_items: [{ price: price.id, quantity: 1 }] })
  assertSame((await get(link.url, { method: 'HEAD' })).status, 200)
  assertSame((await shop.stripe.checkout.sessions.list({ payment_link: link.id })).data.length, 0, 'sessions that a HEAD made')
  assertSame(await open(shop, s), 'open')
  // A query is no form: a link that somebody is led to pays nothing.
  assertSame((await get(`${s.url}?${new URLSearchParams(FIELDS)}`)).status, 200)
  assertSame(await open(shop, s), 'open')
}

export async function fields_as_no_browser_sends_them(shop) {
  const s = await shop.session({ phone_number_collection: { enabled: true }, custom_fields: [{ key: 'note', label: { type: 'custom', custom: 'Note' }, type: 'text', optional: true }] })
  const whole = { ...FIELDS, phoneNumber: '+1 415 555 0100' }
  const long = 'x'.repeat(20000)
  const text = (fields) => new URLSearchParams(fields).toString()
  const without = (name) => text(Object.fromEntries(Object.entries(whole).filter(([n]) => n !== name)))
  const cases = [
    ...['email', 'cardNumber', 'cardExpiry', 'cardCvc', 'billingName', 'phoneNumber'].map((name) => [without(name), 402]),
    ...['email', 'cardNumber', 'cardExpiry', 'cardCvc', 'billingName', 'billingCountry', 'billingPostalCode', 'phoneNumber', 'custom_note'].map((name) => [text({ ...whole, [name]: long }), 402]),
    [`${text(whole)}&email=nobody`, 402], // the last one counts
    [`${text(whole)}&email[]=a@b.example`, 400], // one name, two shapes
    [without('email') + '&email[a]=jenny@example.com', 402],
    [without('cardNumber') + '&cardNumber[]=4242424242424242', 402],
    [`${text(whole)}%00`, 400],
    [without('billingName') + '&billingName=Jenny%00Rosen', 400],
    [without('billingName') + '&billingName=%ff%fe', 400],
    [without('billingName') + '&billingName=%zz', 400],
    [text({ ...whole, email: 'jenny@example.com\r\nBcc: a@b.example' }), 402],
    [text({ ...whole, custom_note: 'x'.repeat(300) }), 402],
    ['', 402],
    ['=', 400],
    ['&&&&', 402],
    [text({ action: 'pay' }), 402],
    [Array(2100).fill('a=1').join('&'), 400],
    [`${'a['.repeat(40)}=1`, 400],
    ['x'.repeat(70000), 413],
  ]
  for (const [body, status] of cases) {
    const r = await post(s.url, body)
    assertSame([body.slice(0, 80), body.length, r.status], [body.slice(0, 80), body.length, status])
    assert(!/4242 ?4242/.test(r.text.replace('4242 4242 4242 4242', '')), 'no card is shown again')
  }
  assertSame((await post(s.url, JSON.stringify(whole), { headers: { 'Content-Type': 'application/json' } })).status, 400)
  assertSame([await open(shop, s), (await shop.stripe.checkout.sessions.retrieve(s.id)).payment_intent], ['open', null])
  const strange = { ...whole, billingName: '\u202eJ<é>\u0301 "漢" 🙂', custom_note: '</textarea><script>', nobody: 'asked', 'custom_': 'x', shippingOption: 'shr_nobody1' }
  assertSame((await post(s.url, strange)).status, 402, 'a way to ship that is none')
  delete strange.shippingOption
  assertSame((await post(s.url, strange)).status, 303)
  const done = await shop.stripe.checkout.sessions.retrieve(s.id)
  assertSame([done.customer_details.name, done.custom_fields[0].text.value], [strange.billingName, strange.custom_note])
  assert(!daemon.log.includes('4242424242424242') && !daemon.log.includes(s.id), 'nothing of it is in the log')
}

export async function names_that_are_markup(shop) {
  const { page } = browser
  const evil = '"><img src=x onerror=alert(1)><script>alert(1)</script>'
  const s = await shop.session({ line_items: [line(evil, 900)], custom_fields: [{ key: 'a', label: { type: 'custom', custom: '"><b id=evil>' }, type: 'text' }], custom_text: { submit: { message: evil } }, cancel_url: `${shop.origin}/cart?"><b id=evil>`.replaceAll(' ', '%20') })
  await page.goto(s.url)
  assertSame([await page.locator('#evil, main img').count(), await page.locator('[data-testid=line-item]').textContent()], [0, evil])
  await page.goto((await shop.session({ customer_email: 'a@b.example', cancel_url: undefined })).url)
  assertSame(await page.locator('[data-testid=business-link]').count(), 0)
}

// As much as the API lets somebody put on one page.
export async function the_largest_page(shop) {
  const options = Array.from({ length: 200 }, (_, i) => ({ label: `${'"'.repeat(90)}${i}`, value: `${'v'.repeat(90)}${i}` }))
  const s = await shop.session({
    line_items: Array.from({ length: 100 }, (_, i) => line('"'.repeat(200), 100 + i, { quantity: 2, adjustable_quantity: { enabled: true } })),
    custom_fields: ['a', 'b', 'c'].map((key) => ({ key, label: { type: 'custom', custom: '"'.repeat(50) }, type: 'dropdown', dropdown: { options } })),
    custom_text: { submit: { message: '"'.repeat(1200) } }, shipping_address_collection: { allowed_countries: ['US'] },
  })
  const r = await get(s.url)
  assertSame([r.status, r.text.trim().endsWith('</html>')], [200, true], `${r.text.length} bytes`)
  assertSame((await post(s.url, { ...FIELDS, cardNumber: '' })).status, 402)
}
