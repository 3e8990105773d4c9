// An id that nobody has and a signature that is wrong take the same time: rounds in turn, so that what else runs on the machine hits both.
import { assert, check } from '../lib/tap.mjs'
import { bytesOf, Conn } from './wire.mjs'

const ROUNDS = 3000
const median = (a) => a.sort((x, y) => x - y)[a.length >> 1]

export async function run(w) {
  await check('whether an access key id exists cannot be told by the time that a refusal takes', async () => {
    const ids = [['a wrong secret', { id: w.mine.key.id, secret: 'f'.repeat(64) }], ['an unknown id', { id: '5'.repeat(32), secret: 'f'.repeat(64) }]]
    const c = new Conn(w.port)
    c.socket.setNoDelay(true)
    const took = ids.map(() => [])
    for (let i = 0; i < ROUNDS; i++)
      for (const k of i % 2 ? [0, 1] : [1, 0]) {
        const bytes = bytesOf(w.signed(ids[k][1], { method: 'GET', path: '/vk-mine/k', query: `round=${i}` }))
        const t0 = process.hrtime.bigint()
        c.write(bytes)
        const r = await c.answer()
        took[k].push(Number(process.hrtime.bigint() - t0) / 1000)
        assert(r.status === 403, `${ids[k][0]}: ${r.status}`)
      }
    c.close()
    const [a, b] = took.map(median)
    // The answer to a wrong signature is some 600 bytes longer: it shows what was signed.
    assert(Math.abs(a - b) < 0.4 * Math.min(a, b) + 3, `${ids[0][0]}: ${a.toFixed(1)} µs, ${ids[1][0]}: ${b.toFixed(1)} µs`)
  })
}
