// Keyboards, no scripts, phones, dark rooms.
import fs from 'node:fs'
import path from 'node:path'
import { assert, assertSame } from '../lib/tap.mjs'
import { CARDS, FIELDS, browser, fill, here, line, pages, post, submit } from './rig.mjs'

const axe = fs.readFileSync(path.join(here, 'node_modules/axe-core/axe.min.js'), 'utf8')

// Labels, names and contrast as a browser computes them; nothing of it is a picture.
const audit = (page) => page.evaluate(() => {
  const wrong = []
  const light = (c) => { const [r, g, b] = c.match(/[\d.]+/g).map((x) => x / 255).map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)); return 0.2126 * r + 0.7152 * g + 0.0722 * b }
  const under = (e) => { for (let n = e; n; n = n.parentElement) { const c = getComputedStyle(n).backgroundColor; if (!/, 0\)$|transparent/.test(c)) return c } return 'rgb(255, 255, 255)' }
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05) }
  for (const e of document.querySelectorAll('body *')) {
    if (!e.checkVisibility()) continue
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())
    const c = own ? ratio(getComputedStyle(e).color, under(e)) : 21
    if (c < 4.5) wrong.push(`contrast ${c.toFixed(2)}: ${e.outerHTML.slice(0, 120)}`)
    if (/^(INPUT|SELECT)$/.test(e.tagName)) {
      if (!e.labels?.length) wrong.push(`no label: ${e.outerHTML.slice(0, 120)}`)
      if (!/radio|checkbox/.test(e.type) && ratio(getComputedStyle(e).borderTopColor, under(e.parentElement)) < 3) wrong.push(`border: ${e.outerHTML.slice(0, 120)}`)
    }
  }
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id)
  if (new Set(ids).size !== ids.length) wrong.push(`ids: ${ids}`)
  if (document.querySelectorAll('h1').length !== 1) wrong.push('no one heading')
  if (!document.title || document.documentElement.lang !== 'en') wrong.push('title, language')
  if (document.documentElement.scrollWidth > innerWidth) wrong.push(`wider than the window: ${document.documentElement.scrollWidth}`)
  return wrong
})

export async function with_the_keyboard_alone(shop) {
  const { page } = browser
  const s = await shop.session()
  await page.goto(s.url)
  const order = []
  const press = async (key) => {
    await page.keyboard.press(key)
    return page.evaluate(() => { const e = document.activeElement; return e.id || e.dataset.testid || e.tagName })
  }
  for (let i = 0; i < 9; i++) {
    const at = await press('Tab')
    order.push(at)
    const text = { email: 'jenny@example.com', cardNumber: CARDS.good, cardExpiry: '1234', cardCvc: '123', billingName: 'Jenny Rosen', billingPostalCode: '94107' }[at]
    if (text) await page.keyboard.type(text)
    assert(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle !== 'none'), `the focus is seen on ${at}`)
  }
  assertSame(order, ['business-link', 'email', 'cardNumber', 'cardExpiry', 'cardCvc', 'billingName', 'billingCountry', 'billingPostalCode', 'hosted-payment-submit-button'])
  await page.keyboard.press('Shift+Tab')
  await page.keyboard.press('Enter') // in a field
  await page.waitForURL(`${shop.origin}/success**`)
  assertSame(await page.textContent('#order'), 'paid')
}

export async function with_no_script(shop) {
  const page = await browser.context.newPage()
  try {
    const session = await browser.context.newCDPSession(page)
    await session.send('Emulation.setScriptExecutionDisabled', { value: true })
    const coupon = await shop.stripe.coupons.create({ amount_off: 500, currency: 'usd', duration: 'once' })
    await shop.stripe.promotionCodes.create({ promotion: { type: 'coupon', coupon: coupon.id }, code: 'FIVE' })
    const s = await shop.session({ allow_promotion_codes: true, line_items: [line('T-shirt', 2500, { adjustable_quantity: { enabled: true, minimum: 1, maximum: 5 } })] })
    await page.goto(s.url)
    await page.fill('#promotionCode', 'FIVE')
    await page.click('#applyCode')
    await page.getByRole('button', { name: 'Pay $20.00' }).waitFor()
    await page.getByLabel('Quantity').fill('2')
    await page.getByRole('button', { name: 'Update the total' }).click()
    await page.getByRole('button', { name: 'Pay $45.00' }).waitFor()
    await fill(page, CARDS.declined)
    await submit(page)
    await page.getByText('Your card was declined.').waitFor()
    assertSame(await page.evaluate(() => document.activeElement.id), 'problem')
    await fill(page)
    await submit(page)
    await page.waitForURL(`${shop.origin}/success**`)
    assertSame((await shop.stripe.checkout.sessions.retrieve(s.id)).amount_total, 4500)
  } finally {
    await page.close()
  }
}

export async function readable_in_light_and_dark_on_a_phone_and_a_screen(shop) {
  const page = await browser.context.newPage()
  try {
    const session = await shop.session({
      line_items: [line(`A name ${'without_any_blank_in_it_'.repeat(8)}`, 123456, { quantity: 7, adjustable_quantity: { enabled: true, minimum: 1, maximum: 9 } })], allow_promotion_codes: true, phone_number_collection: { enabled: true }, billing_address_collection: 'required',
      consent_collection: { terms_of_service: 'required' }, shipping_address_collection: { allowed_countries: ['US'] }, custom_text: { submit: { message: 'x'.repeat(500) } },
      shipping_options: [{ shipping_rate_data: { display_name: 'Post', type: 'fixed_amount', fixed_amount: { amount: 0, currency: 'usd' }, delivery_estimate: { minimum: { unit: 'day', value: 1 }, maximum: { unit: 'day', value: 2 } } } }],
    })
    const gone = await shop.session()
    await shop.stripe.checkout.sessions.expire(gone.id)
    for (const colorScheme of ['light', 'dark'])
      for (const size of [{ width: 320, height: 640 }, { width: 1280, height: 900 }]) {
        await page.emulateMedia({ colorScheme })
        await page.setViewportSize(size)
        for (const url of [session.url, gone.url]) {
          await page.goto(url)
          assertSame(await audit(page), [], `${colorScheme} ${size.width}`)
        }
        await page.goto(session.url)
        await page.fill('#promotionCode', 'NOBODY')
        await page.click('#applyCode')
        await page.waitForSelector('#problem')
        assertSame(await audit(page), [], `${colorScheme} ${size.width}, with a problem`)
      }
  } finally {
    await page.close()
  }
}

// Every page there is, on a phone and a screen, in light and dark: what axe and we look for, and a picture of each in tests/.work/.
export async function every_page_as_people_see_it(shop) {
  const { stripe } = shop
  const address = { price_data: { currency: 'usd', unit_amount: 4900, recurring: { interval: 'month' }, product_data: { name: 'Acme Pro' } }, quantity: 1 }
  const rich = await shop.session({
    line_items: [line('Linen shirt', 6450, { quantity: 2, adjustable_quantity: { enabled: true, minimum: 1, maximum: 9 } }), line('Wool socks, three pairs', 1800)], allow_promotion_codes: true, phone_number_collection: { enabled: true },
    billing_address_collection: 'required', consent_collection: { terms_of_service: 'required', promotions: 'auto' }, shipping_address_collection: { allowed_countries: ['US', 'CA'] },
    custom_fields: [{ key: 'size', label: { type: 'custom', custom: 'Size' }, type: 'dropdown', dropdown: { options: [{ label: 'Small', value: 's' }, { label: 'Large', value: 'l' }] } }, { key: 'note', label: { type: 'custom', custom: 'Note for the tailor' }, type: 'text', optional: true }],
    shipping_options: [['Standard', 0, 3, 5], ['Express', 1500, 1, 1]].map(([display_name, amount, from, to]) => ({ shipping_rate_data: { display_name, type: 'fixed_amount', fixed_amount: { amount, currency: 'usd' }, delivery_estimate: { minimum: { unit: 'business_day', value: from }, maximum: { unit: 'business_day', value: to } } } })),
  })
  const paid = await shop.session(), gone = await shop.session(), asked = await shop.session(), setup = await shop.session({ mode: 'setup', currency: 'usd' })
  assertSame((await post(paid.url, FIELDS)).status, 303)
  await stripe.checkout.sessions.expire(gone.id)
  assertSame((await post(asked.url, { ...FIELDS, cardNumber: CARDS.asks })).status, 303)
  const intent = (payment_method, more = {}) => stripe.paymentIntents.create({ amount: 7300, currency: 'usd', payment_method, payment_method_types: ['card'], confirm: true, description: 'Order 17', expand: ['latest_charge'], ...more })
  const waits = (await intent('pm_card_threeDSecure2Required', { return_url: `${shop.origin}/return` })).next_action.redirect_to_url.url
  const charge = (await intent('pm_card_visa', { receipt_email: 'jenny@example.com' })).latest_charge
  const back = (await intent('pm_card_mastercard')).latest_charge
  await stripe.refunds.create({ charge: back.id, amount: 2300 })
  const customer = await stripe.customers.create({ name: 'Jenny Rosen', email: 'jenny@example.com' })
  const sub = await shop.session({ mode: 'subscription', line_items: [address], customer: customer.id })
  assertSame((await post(sub.url, FIELDS)).status, 303)
  const invoice = await stripe.invoices.retrieve((await stripe.checkout.sessions.retrieve(sub.id)).invoice)
  const price = await stripe.prices.create({ currency: 'usd', unit_amount: 999, product_data: { name: 'Sticker' } })
  const monthly = await stripe.prices.create({ currency: 'usd', unit_amount: 4900, recurring: { interval: 'month' }, product_data: { name: 'Acme Pro' } })
  const due = (await stripe.subscriptions.create({ customer: customer.id, items: [{ price: monthly.id }], collection_method: 'send_invoice', days_until_due: 7, expand: ['latest_invoice'] })).latest_invoice
  const link = await stripe.paymentLinks.create({ line_items: [{ price: price.id, quantity: 1 }], after_completion: { type: 'hosted_confirmation', hosted_confirmation: { custom_message: 'Your stickers are on their way.' } } })
  const off = await stripe.paymentLinks.create({ line_items: [{ price: price.id, quantity: 1 }] })
  await stripe.paymentLinks.update(off.id, { active: false, inactive_message: 'The sale is over.' })
  const all = [
    ['checkout', rich.url],
    ['plain', (await shop.session()).url],
    ['trial', (await shop.session({ mode: 'subscription', line_items: [address], subscription_data: { trial_period_days: 14 } })).url],
    ['setup', setup.url],
    ['code-refused', rich.url, async (page) => { await page.fill('#promotionCode', 'NOBODY'); await page.click('#applyCode'); await page.waitForSelector('#problem') }],
    ['declined', (await shop.session()).url, async (page) => { await fill(page, CARDS.declined); await submit(page); await page.waitForSelector('#problem') }],
    ['complete', paid.url],
    ['expired', gone.url],
    ['authenticate', `${asked.url}/authenticate`],
    ['bank', waits],
    ['receipt', charge.receipt_url],
    ['receipt-refunded', back.receipt_url],
    ['invoice', invoice.hosted_invoice_url],
    ['invoice-open', due.hosted_invoice_url],
    ['invoice-declined', due.hosted_invoice_url, async (page) => { await fill(page, CARDS.declined); await submit(page); await page.waitForSelector('#problem') }],
    ['link-off', off.url],
    ['link-done', link.url, async (page) => { await fill(page); await submit(page); await page.waitForSelector('.sign') }],
    ['nothing', `${pages}/b/${shop.id}/c/pay/nobody`],
  ]
  const page = await browser.context.newPage()
  const wrong = []
  try {
    for (const [name, url, then] of all)
      for (const [width, height] of [[360, 740], [1280, 900]])
        for (const colorScheme of ['light', 'dark']) {
          const where = `${name}-${width}-${colorScheme}`
          await page.emulateMedia({ colorScheme })
          await page.setViewportSize({ width, height })
          await page.goto(url)
          await then?.(page)
          await page.evaluate(axe)
          const found = await page.evaluate(async () => (await globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })).violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html.slice(0, 160)).join(' | ')}`))
          await browser.shot(`payments-${where}`, page, { fullPage: true })
          wrong.push(...[...found, ...(await audit(page))].map((w) => `${where}: ${w}`))
        }
    assertSame(wrong, [])
  } finally {
    await page.close()
  }
}
