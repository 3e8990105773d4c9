// What a page asks for besides a card.
import { assert, assertSame } from '../lib/tap.mjs'
import { browser, fill, line, submit, thanked } from './rig.mjs'

const { page } = browser
const shown = (what) => page.waitForFunction((text) => document.querySelector('[data-testid=amount]').textContent === text, what)

export async function a_promotion_code(shop) {
  const coupon = await shop.stripe.coupons.create({ percent_off: 20, duration: 'once' })
  await shop.stripe.promotionCodes.create({ promotion: { type: 'coupon', coupon: coupon.id }, code: 'SPRING' })
  const s = await shop.session({ allow_promotion_codes: true })
  await page.goto(s.url)
  await fill(page)
  const sent = []
  const keep = (r) => sent.push(r.postData() ?? '')
  page.on('request', keep)
  await page.fill('#promotionCode', 'AUTUMN')
  await page.press('#promotionCode', 'Enter')
  await page.waitForSelector('#promotionCode[aria-invalid=true]')
  assertSame([await page.getByRole('alert').textContent(), await page.evaluate(() => document.activeElement.id)], ['This code is invalid.', 'problem'])
  await page.fill('#promotionCode', 'spring')
  await page.click('#applyCode')
  await shown('$20.00')
  assert((await page.textContent('#order')).includes('Discount (SPRING)'), 'its name')
  assertSame([await page.evaluate(() => document.activeElement.id), await page.textContent('[data-testid=hosted-payment-submit-button]')], ['removeCode', 'Pay $20.00'])
  await page.click('#removeCode')
  await shown('$25.00')
  await page.fill('#promotionCode', 'SPRING')
  await page.click('#applyCode')
  await shown('$20.00')
  assertSame(await page.inputValue('#cardNumber'), '4242 4242 4242 4242', 'the card is there still')
  page.off('request', keep)
  assertSame([sent.length, sent.filter((body) => /card|4242/i.test(body)), sent.every((body) => body.includes('email=jenny'))], [4, [], true], 'what was sent before paying')
  await submit(page)
  await thanked(shop, s)
  const done = await shop.stripe.checkout.sessions.retrieve(s.id)
  assertSame([done.amount_total, done.total_details.amount_discount], [2000, 500])
}

const everything = (shop) => shop.session({
  line_items: [line('T-shirt', 2500, { adjustable_quantity: { enabled: true, minimum: 1, maximum: 5 } })],
  phone_number_collection: { enabled: true }, billing_address_collection: 'required', shipping_address_collection: { allowed_countries: ['DE', 'US'] },
  shipping_options: [['Post', 500], ['Express', 1500]].map(([display_name, amount]) => ({ shipping_rate_data: { display_name, type: 'fixed_amount', fixed_amount: { amount, currency: 'usd' } } })),
  custom_fields: [
    { key: 'engraving', label: { type: 'custom', custom: 'Engraving "ü" <i>' }, type: 'text' },
    { key: 'floor', label: { type: 'custom', custom: 'Floor' }, type: 'numeric', optional: true },
    { key: 'wrap', label: { type: 'custom', custom: 'Gift wrap' }, type: 'dropdown', dropdown: { options: [{ label: 'None', value: 'none' }, { label: 'Red & blue', value: 'red' }] } },
  ],
  consent_collection: { terms_of_service: 'required', promotions: 'auto' }, custom_text: { submit: { message: 'Sent <today>.' } },
})

export async function shipping_addresses_fields_and_consent(shop) {
  const s = await everything(shop)
  await page.goto(s.url)
  await page.getByLabel('Quantity').fill('3')
  await page.getByLabel('Quantity').press('Tab')
  await shown('$80.00')
  await page.getByLabel('Express').check()
  await shown('$90.00')
  assertSame(await page.evaluate(() => document.activeElement.value), await page.getByLabel('Express').inputValue(), 'the focus stays')
  assert((await page.textContent('form')).includes('Sent <today>.'), 'custom text')
  await fill(page, undefined, {
    phoneNumber: '+49 30 1234567', shippingName: 'Bob Müller', shippingCountry: 'DE', shippingAddressLine1: 'Allee 1', shippingPostalCode: '10115', shippingLocality: 'Berlin',
    billingCountry: 'FR', billingAddressLine1: 'Rue 2', billingLocality: 'Paris', custom_engraving: '"x" <é> 漢字 🙂', custom_wrap: 'red',
  })
  await page.check('#termsOfServiceConsentCheckbox')
  await submit(page)
  await thanked(shop, s)
  const done = await shop.stripe.checkout.sessions.retrieve(s.id, { expand: ['line_items'] })
  assertSame([done.amount_total, done.shipping_cost.amount_total, done.line_items.data[0].quantity], [9000, 1500, 3])
  assertSame([done.custom_fields.map((f) => f[f.type].value), done.customer_details.phone, done.customer_details.address.country], [['"x" <é> 漢字 🙂', null, 'red'], '+49 30 1234567', 'FR'])
  assertSame([done.collected_information.shipping_details.name, done.collected_information.shipping_details.address.city, done.consent], ['Bob Müller', 'Berlin', { promotions: 'opt_out', terms_of_service: 'accepted' }])
}

export async function what_is_missing_is_asked_for_by_the_browser(shop) {
  const s = await everything(shop)
  await page.goto(s.url)
  const before = browser.requests.length
  await submit(page)
  assertSame(await page.evaluate(() => document.activeElement.id), 'email')
  assertSame(browser.requests.length, before, 'nothing is sent')
}

export async function words_on_the_button(shop) {
  for (const [submit_type, text] of [['book', 'Book $25.00'], ['donate', 'Donate $25.00'], ['pay', 'Pay $25.00']]) {
    await page.goto((await shop.session({ submit_type })).url)
    assertSame(await page.textContent('[data-testid=hosted-payment-submit-button]'), text)
  }
}

export async function nothing_to_pay_needs_no_card(shop) {
  const coupon = await shop.stripe.coupons.create({ percent_off: 100, duration: 'once' })
  await shop.stripe.promotionCodes.create({ promotion: { type: 'coupon', coupon: coupon.id }, code: 'GIFT' })
  const s = await shop.session({ allow_promotion_codes: true })
  await page.goto(s.url)
  await page.fill('#promotionCode', 'GIFT')
  await page.click('#applyCode')
  await page.waitForFunction(() => !document.querySelector('#cardNumber'))
  await page.fill('#email', 'jenny@example.com')
  await submit(page)
  await thanked(shop, s, 'no_payment_required')
}
