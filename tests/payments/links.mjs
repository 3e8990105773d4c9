// Payment links: what they say, and the sessions that they make.
import { request } from '../lib/daemon.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { TYPED, fails, line, pay, submit, typesOf } from './rig.mjs'

export async function run(build) {
  const { stripe } = build
  const price = await stripe.prices.create({ currency: 'usd', unit_amount: 900, product_data: { name: 'Mug' } })
  const open = async (link) => {
    const r = await request(link.url)
    const id = /\/c\/pay\/(cs_test_[A-Za-z0-9]+)/.exec(r.headers.location ?? '')?.[1]
    return { status: r.status, session: id && await stripe.checkout.sessions.retrieve(id) }
  }

  await check('a link, its items, and each time a session of its own', async () => {
    const link = await stripe.paymentLinks.create({ line_items: [{ price: price.id, quantity: 2 }], metadata: { from: 'mail' }, allow_promotion_codes: true, after_completion: { type: 'redirect', redirect: { url: 'https://example.com/done?s={CHECKOUT_SESSION_ID}' } } })
    assertSame([link.active, link.currency, link.metadata, link.after_completion], [true, 'usd', { from: 'mail' }, { redirect: { url: 'https://example.com/done?s={CHECKOUT_SESSION_ID}' }, type: 'redirect' }])
    assert(new RegExp(`/b/${build.id}/pay/[A-Za-z0-9]{32}$`).test(link.url), link.url)
    assertSame((await stripe.paymentLinks.listLineItems(link.id)).data.map((i) => [i.amount_total, i.quantity, i.description]), [[1800, 2, 'Mug']])
    assertSame((await stripe.paymentLinks.list()).data.map((l) => l.id), [link.id])
    const a = await open(link), b = await open(link)
    assert([302, 303].includes(a.status) && a.session.id !== b.session.id, String(a.status))
    assertSame([a.session.payment_link, a.session.amount_total, a.session.metadata, a.session.mode], [link.id, 1800, { from: 'mail' }, 'payment'])
    assertSame(await pay(a.session), `https://example.com/done?s=${a.session.id}`)
    assertSame((await stripe.checkout.sessions.list({ payment_link: link.id })).data.map((s) => s.status), ['open', 'complete'])
  })

  await check('as many as it may have, and no more when it is off', async () => {
    const link = await stripe.paymentLinks.create({ line_items: [{ price: price.id, quantity: 1 }], restrictions: { completed_sessions: { limit: 1 } }, inactive_message: 'Sold out' })
    const { session } = await open(link)
    const thanks = await submit(session.url, TYPED) // it leads nowhere
    assertSame([thanks.status, /Thank you/.test(thanks.text)], [200, true])
    assertSame((await stripe.paymentLinks.retrieve(link.id)).restrictions.completed_sessions, { count: 1, limit: 1 })
    assertSame(await open(link), { status: 410, session: undefined })
    const other = await stripe.paymentLinks.create({ line_items: [{ price: price.id, quantity: 1 }] })
    await typesOf(build)
    assertSame((await stripe.paymentLinks.update(other.id, { active: false })).active, false)
    assertSame(await typesOf(build), ['payment_link.updated'])
    assertSame(await open(other), { status: 410, session: undefined })
  })

  await check('a subscription with a trial', async () => {
    const month = await stripe.prices.create({ currency: 'usd', unit_amount: 900, recurring: { interval: 'month' }, product_data: { name: 'Club' } })
    const link = await stripe.paymentLinks.create({ line_items: [{ price: month.id, quantity: 1 }], subscription_data: { trial_period_days: 7, metadata: { a: 'b' } } })
    const { session } = await open(link)
    assertSame([session.mode, session.amount_total], ['subscription', 0])
    assertSame((await submit(session.url, TYPED)).status, 200)
    const done = await stripe.checkout.sessions.retrieve(session.id, { expand: ['subscription'] })
    assertSame([done.status, done.subscription.status, done.subscription.metadata], ['complete', 'trialing', { a: 'b' }])
  })

  await check('refused', async () => {
    await fails(stripe.paymentLinks.create({ line_items: [] }), { param: 'line_items' })
    await fails(stripe.paymentLinks.create({ line_items: [line(10)] }), { code: 'amount_too_small' })
    await fails(stripe.paymentLinks.create({ line_items: [line(1000)], after_completion: { type: 'redirect', redirect: { url: 'nowhere' } } }), { code: 'url_invalid' })
    await fails(stripe.paymentLinks.create({ line_items: [line(1000)], subscription_data: { trial_period_days: 3 } }), { param: 'subscription_data' })
    assertSame((await request(`${build.env.STRIPE_API_BASE}/b/${build.id}/pay/nobody`)).status, 404)
  })
}
