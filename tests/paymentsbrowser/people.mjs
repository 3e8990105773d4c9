// Keyboards, no scripts, phones, dark rooms.
import { assert, assertSame } from '../lib/tap.mjs'
import { CARDS, browser, fill, line, submit } from './rig.mjs'

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
