// Hundreds of random changes, some at once on the same object: the events, applied one after the other, come to what the calls answer, and the money adds up.
// SEED=n repeats a run, as far as what happens at the same time can be repeated; SEED=random takes a new one.
import { seeded } from '../lib/daemon.mjs'
import { assert, assertSame, check, note } from '../lib/tap.mjs'
import { Ledger } from './ledger.mjs'
import { moves } from './moves.mjs'
import { all } from './rig.mjs'

const FULL = process.env.VALETKEY_TEST_FULL === '1'
const ROUNDS = FULL ? 2500 : 400
const LOOKS = FULL ? 25 : 5 // at everything
const RECENT = 6 // objects of a kind that are touched again rather than older ones

// Kinds whose turn comes more often.
const WEIGHT = { payment_intent: 6, charge: 4, 'checkout.session': 5, subscription: 3, invoice: 3, customer: 2, setup_intent: 2 }

const REFUSED = [400, 402, 404, 409]
const sum = (list, f = (x) => x) => list.reduce((n, x) => n + f(x), 0)

// ---- what must be true of money

function refundsFit(charges, refunds) {
  for (const c of charges) {
    const own = sum(refunds.filter((r) => r.charge === c.id && r.status === 'succeeded'), (r) => r.amount)
    // what was held and not captured counts as refunded, as Stripe shows it
    const released = c.status === 'succeeded' && (c.captured || c.refunded) ? c.amount - c.amount_captured : 0
    assertSame([c.id, c.amount_refunded, own <= c.amount_captured, c.amount_captured <= c.amount], [c.id, own + released, true, true], 'refunded, within captured, within amount')
    assertSame([c.id, c.refunded], [c.id, c.status === 'succeeded' && c.amount_refunded === c.amount])
    if (c.status !== 'succeeded') assertSame([c.id, c.amount_captured, own], [c.id, 0, 0])
  }
}

async function balanceFits(stripe, charges, refunds) {
  const net = {}, transactions = await all(stripe.balanceTransactions.list({ limit: 100 }))
  for (const t of transactions) net[t.currency] = (net[t.currency] ?? 0) + t.net
  const balance = await stripe.balance.retrieve()
  const of = (list, currency) => sum(list.filter((b) => b.currency === currency), (b) => b.amount)
  for (const [currency, n] of Object.entries(net)) assertSame([currency, of(balance.available, currency) + of(balance.pending, currency)], [currency, n])
  const moved = new Map(transactions.map((t) => [t.source, t.amount]))
  assertSame(moved.size, transactions.length)
  for (const c of charges) assertSame([c.id, moved.get(c.id) ?? 0], [c.id, c.amount_captured], 'its transaction')
  for (const r of refunds) assertSame([r.id, -(moved.get(r.id) ?? 0)], [r.id, r.status === 'succeeded' ? r.amount : 0], 'its transaction')
}

async function sessionsFit(stripe, sessions) {
  for (const { id } of sessions.filter((s) => s.mode !== 'setup')) { // there is nothing to pay in these
    const s = await stripe.checkout.sessions.retrieve(id, { expand: ['line_items', 'total_details.breakdown'] })
    const items = s.line_items.data, { amount_discount, amount_tax, amount_shipping, breakdown } = s.total_details
    const onTop = sum(breakdown.taxes.filter((t) => !t.rate.inclusive), (t) => t.amount)
    assertSame([id, sum(items, (i) => i.amount_subtotal), sum(items, (i) => i.amount_discount), sum(items, (i) => i.amount_tax), sum(items, (i) => i.amount_total) + amount_shipping],
      [id, s.amount_subtotal, amount_discount, amount_tax, s.amount_total], 'subtotal, discount, tax, total of the lines')
    assertSame([id, s.amount_subtotal - amount_discount + onTop + amount_shipping, sum(breakdown.taxes, (t) => t.amount), sum(breakdown.discounts, (d) => d.amount)], [id, s.amount_total, amount_tax, amount_discount], 'total of the parts, taxes, discounts')
    if (s.shipping_cost) assertSame([id, s.shipping_cost.amount_subtotal], [id, amount_shipping])
  }
}

function invoicesFit(invoices) {
  for (const i of invoices) {
    const lines = i.lines.data, taken = sum(i.total_discount_amounts ?? [], (d) => d.amount)
    const taxes = i.total_taxes ?? [], onTop = sum(taxes.filter((t) => t.tax_behavior === 'exclusive'), (t) => t.amount)
    assertSame([i.id, i.lines.has_more, sum(lines, (l) => l.subtotal ?? l.amount), i.subtotal - taken + onTop + (i.shipping_cost?.amount_subtotal ?? 0)], [i.id, false, i.subtotal, i.total], 'subtotal of the lines, total of the parts')
    assertSame([i.id, i.total_excluding_tax, i.amount_paid + i.amount_remaining], [i.id, i.total - sum(taxes, (t) => t.amount), i.amount_due], 'total without taxes, due')
    assertSame([i.id, sum(lines.flatMap((l) => l.discount_amounts ?? []), (d) => d.amount), sum(lines.flatMap((l) => l.taxes ?? []), (t) => t.amount)], [i.id, taken, sum(taxes, (t) => t.amount)], 'discounts and taxes of the lines')
  }
}

function usedAsAllowed(list) {
  for (const c of list) assert(c.max_redemptions === null || c.times_redeemed <= c.max_redemptions, `${c.id} was used ${c.times_redeemed} times, ${c.max_redemptions} were allowed`)
}

// ---- the rounds

// What a move answered, or { refused } with which status. Anything else throws.
async function outcome(move) {
  try {
    return (await move()) ?? {}
  } catch (e) {
    if (!REFUSED.includes(e.statusCode)) throw e
    return { refused: e.statusCode }
  }
}

export async function run(build) {
  const { stripe } = build
  const seed = process.env.SEED === 'random' ? Date.now() & 0x7fffffff : Number(process.env.SEED ?? 20261129)
  const random = seeded(seed), ledger = new Ledger(stripe), recent = {}
  const known = (kind) => (recent[kind]?.length ? random.pick(recent[kind]) : undefined)
  const table = moves(build, random, known), kinds = Object.keys(table).flatMap((kind) => Array(WEIGHT[kind] ?? 1).fill(kind))
  const counts = { moves: 0, refused: 0, together: 0 }

  const remember = (object, made) => {
    if (!table[object.object]) return
    const list = (recent[object.object] ??= []), at = list.indexOf(object.id)
    if (at >= 0 && ledger.gone.has(object.id)) list.splice(at, 1)
    else if (at < 0 && (made || !table[object.object].make || random.chance(0.3))) recent[object.object] = [...list, object.id].slice(-RECENT)
  }

  // One of: a new object; something done with one; several things at once with the same one; or with different ones.
  const draw = () => {
    const kind = random.pick(kinds), { make, on } = table[kind], id = known(kind)
    if (make && (!id || random.chance(0.25))) return [{ kind, move: make }]
    if (!id) return draw()
    return Array.from({ length: random.chance(0.35) ? 2 + random.below(4) : 1 }, () => ({ kind, id, move: random.pick(on) }))
  }

  const round = async (todo) => {
    const ended = await Promise.all(todo.map(({ move, id }) => outcome(() => move(id))))
    const told = await ledger.read()
    // A card that is declined is told of; what may not be is nothing.
    if (todo.length === 1 && [400, 404].includes(ended[0].refused)) assertSame(told.filter((e) => e.data.object.id === todo[0].id).map((e) => e.type), [], `events of ${todo[0].id}, of a change that was refused`)
    const touched = new Map([...todo.filter((t) => t.id).map((t) => [t.id, t.kind]), ...told.map(({ data: { object } }) => [object.id, object.object])])
    for (const [id, kind] of touched) await ledger.look(id, kind)
    for (const o of ended) if (o.id) remember(o, true)
    for (const e of told) remember(e.data.object, false)
    counts.moves += todo.length
    counts.together += todo.length > 1 ? todo.length : 0
    counts.refused += ended.filter((o) => o.refused).length
  }

  for (let look = 1; look <= LOOKS; look++) {
    let found
    const good = await check(`${look} of ${LOOKS}: after each change, and at all at the end, the events say what is`, async () => {
      for (let i = 0; i < ROUNDS / LOOKS; i++) {
        const todo = random.chance(0.15) ? [...draw(), ...draw(), ...draw()] : draw()
        try {
          await round(todo)
        } catch (e) {
          throw new Error(`SEED=${seed}, round ${i + 1} (${todo.map((t) => `${t.id ?? 'new'} ${t.kind}: ${t.move}`).join('; ')}): ${e.message}`, { cause: e })
        }
      }
      found = await ledger.everything()
      if (look === LOOKS) assertSame(Object.keys(found).filter((kind) => !found[kind].length), [], 'kinds of which there is nothing')
    })
    if (!good) break
    await check('refunds come to what their charges say, never more than was captured', () => refundsFit(found.charge, found.refund))
    await check('the balance is the sum of its transactions, and they of charges and refunds', () => balanceFits(stripe, found.charge, found.refund))
    await check('each session is the sum of its lines', () => sessionsFit(stripe, found['checkout.session']))
    await check('each invoice is the sum of its lines', () => invoicesFit(found.invoice))
    await check('no coupon or code is used more often than it may be', () => usedAsAllowed([...found.coupon, ...found.promotion_code]))
  }
  note(`SEED=${seed}: ${counts.moves} moves (${counts.together} of them beside others, ${counts.refused} refused), ${ledger.told} events, ${ledger.state.size} objects`)
}
