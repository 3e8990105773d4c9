// What the events say: each applied in its turn, and compared with what the calls answer.
import { isDeepStrictEqual } from 'node:util'
import { assert, assertSame } from '../lib/tap.mjs'
import { all } from './rig.mjs'

// The kinds of objects that events tell of, how they are asked for, and when one may be there of which no event tells.
const always = () => true, never = () => false
export const KINDS = {
  product: { at: 'products', untold: (o) => !o.active }, // made of a session's `price_data`
  price: { at: 'prices', untold: (o) => !o.active },
  customer: { at: 'customers', untold: never },
  coupon: { at: 'coupons', untold: never },
  promotion_code: { at: 'promotionCodes', untold: never },
  tax_rate: { at: 'taxRates', untold: never },
  payment_link: { at: 'paymentLinks', untold: never },
  payment_intent: { at: 'paymentIntents', untold: never },
  charge: { at: 'charges', untold: never },
  refund: { at: 'refunds', untold: never },
  setup_intent: { at: 'setupIntents', untold: never },
  'checkout.session': { at: 'checkout.sessions', untold: (s) => s.status === 'open' }, // its first event is how it ends
  subscription: { at: 'subscriptions', list: { status: 'all' }, untold: never },
  invoice: { at: 'invoices', untold: never },
  invoice_payment: { at: 'invoicePayments', untold: (p) => p.status !== 'paid' }, // there is no other event
  payment_method: { at: 'paymentMethods', untold: always }, // its first event is that it is attached
}

// What Stripe changes without an event; nothing else may. By kind and name: which changes of it (from what was told to what is, as far as the ledger has read).
const any = () => true, ends = (told, is) => told === true && is === false
const itself = (told, is, { state }) => is.id === told.id && isDeepStrictEqual(is, state.get(is.id)?.object ?? told)
const SILENT = {
  // counted with each invoice that gets a number
  customer: { next_invoice_sequence: any },
  // counted when somebody pays with it; the last time it may be used it ends by that (a code also when its coupon is deleted)
  coupon: { times_redeemed: any, valid: ends },
  promotion_code: { times_redeemed: any, active: ends },
  // with its customer, of whose end there is an event
  payment_method: { customer: (told, is, { gone }) => is === null && gone.has(told) },
  // prices and tax rates are shown as they are: their own events have told what they have become
  subscription: { 'items.data[].price': itself, 'items.data[].tax_rates[]': itself, 'items.data[].plan': (told, is) => is.id === told.id },
  // there is no type "checkout.session.updated"
  'checkout.session': { metadata: any },
  // there is no type "payment_intent.updated", and none for setup intents: what a call of `update` may change
  payment_intent: {
    amount: any, description: any, metadata: any,
    status: (told, is) => told === 'requires_action' && is === 'requires_confirmation', // another amount is asked for anew
    next_action: (told, is) => told?.type === 'redirect_to_url' && is === null,
  },
  setup_intent: { description: any, metadata: any },
}

const of = (stripe, kind) => KINDS[kind].at.split('.').reduce((o, name) => o[name], stripe)
const isObject = (v) => v !== null && typeof v === 'object' && !Array.isArray(v)
const plain = (o) => JSON.parse(JSON.stringify(o))

// The object before, by its `previous_attributes`. A null stands for what was not there too: `former` says which.
function back(now, previous, former) {
  const out = { ...now }
  for (const [name, was] of Object.entries(previous)) {
    if (isObject(was) && isObject(now[name])) out[name] = back(now[name], was, former?.[name])
    else if (was === null && isObject(former) && !(name in former)) delete out[name]
    else out[name] = was
  }
  return out
}

// Names in `previous` whose value is what it is now.
function same(now, previous, at = '') {
  const names = []
  for (const [name, was] of Object.entries(previous)) {
    if (isObject(was) && isObject(now[name])) {
      const inner = same(now[name], was, `${at}${name}.`)
      names.push(...(Object.keys(was).length || !Object.keys(now[name]).length ? inner : [`${at}${name}`]))
    } else if (isDeepStrictEqual(was, now[name])) names.push(`${at}${name}`)
  }
  return names
}

function differences(kind, ledger, a, b, at = '') {
  if (isDeepStrictEqual(a, b) || SILENT[kind]?.[at]?.(a, b, ledger)) return []
  if (Array.isArray(a) && Array.isArray(b) && a.length === b.length) return a.flatMap((v, i) => differences(kind, ledger, v, b[i], `${at}[]`))
  if (!isObject(a) || !isObject(b)) return [`${at || 'it'}: ${JSON.stringify(a)} was told, it is ${JSON.stringify(b)}`]
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((name) => differences(kind, ledger, a[name], b[name], at ? `${at}.${name}` : name))
}

export class Ledger {
  state = new Map() // by id: { kind, object, type }
  gone = new Set()
  told = 0

  constructor(stripe) {
    this.stripe = stripe
  }

  // The events since the last time, oldest first; each is applied.
  async read() {
    const fresh = []
    for await (const e of this.stripe.events.list({ limit: 100 })) {
      if (e.id === this.last) break
      fresh.unshift(e)
    }
    for (const e of fresh) this.apply(e)
    this.last = fresh.at(-1)?.id ?? this.last
    return fresh
  }

  apply(event) {
    const { object, previous_attributes: previous } = event.data
    const { id, object: kind } = object
    const what = `${event.type} of ${id}`, former = this.state.get(id)
    this.told++
    assert(KINDS[kind], `${what}: events of ${kind} are new to this test`)
    assert(!this.gone.has(id), `${what}: it was deleted`)
    const [, verb] = /([^.]*)$/.exec(event.type)
    if (verb === 'created') assert(!former && !previous, `${what}: it was there already`)
    if (verb === 'updated') assert(previous, `${what}: it does not say what has changed`)
    if (verb === 'deleted' && event.type !== 'customer.subscription.deleted') { // that one can be retrieved, canceled
      this.state.delete(id)
      this.gone.add(id)
      return
    }
    if (previous) {
      assert(former, `${what}: nothing was told of it before`)
      assert(Object.keys(previous).length, `${what}: nothing has changed`)
      assertSame(same(object, previous), [], `${what}: previous attributes that are what they were`)
      assertSame(differences(kind, this, former.object, back(object, previous, former.object)), [], `${what}: what was before it, and what was told before`)
    } else if (former) {
      const pair = event.type === 'invoice.payment_succeeded' && former.type === 'invoice.paid' // two names of one change
      assert(pair || !isDeepStrictEqual(object, former.object), `${what}: nothing has changed since ${former.type}`)
    }
    this.state.set(id, { kind, object: plain(object), type: event.type })
  }

  compare(object) {
    const { id, object: kind } = object, known = this.state.get(id)
    if (!known) return assert(KINDS[kind].untold(object), `${id} is there, and no event tells of it`)
    assertSame(differences(kind, this, known.object, plain(object)), [], `${id} after ${known.type}`)
  }

  // One object, as it is now.
  async look(id, kind) {
    if (this.gone.has(id)) return
    this.compare(await of(this.stripe, kind).retrieve(id))
  }

  // Everything that there is, in lists and by itself: nothing more than was told, and nothing less.
  async everything() {
    const found = {}
    for (const kind of Object.keys(KINDS)) {
      found[kind] = await all(of(this.stripe, kind).list({ limit: 100, ...KINDS[kind].list }))
      const ids = new Set(found[kind].map((o) => o.id))
      found[kind].forEach((o) => this.compare(o))
      for (const [id, known] of this.state) if (known.kind === kind && !ids.has(id)) await this.look(id, kind)
    }
    for (const id of this.gone) for (const list of Object.values(found)) assert(!list.some((o) => o.id === id), `${id} was deleted, and is in a list`)
    return found
  }
}
