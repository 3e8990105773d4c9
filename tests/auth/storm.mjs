// Who asks too often, or for too much: guesses from many sign-ups and from one address, a storm of sign-ins, rows that nobody needs.
import http from 'node:http'
import path from 'node:path'
import fs from 'node:fs'

import { Meanwhile } from '../lib/meanwhile.mjs'
import { request, run } from '../lib/daemon.mjs'
import { assert, assertSame, check, note } from '../lib/tap.mjs'
import { Browser, form, Pool, startDaemon } from './lib.mjs'

const UP = '/client/sign_ups'
const IN = '/client/sign_ins'
const EMAIL = { strategy: 'email_code' }
const PASSWORD = 'correct horse battery'
const wrongOf = (code) => String((Number(code) + 1) % 1000000).padStart(6, '0')
const sanitized = /[at]san/.test(process.env.VALETKEY_BIN ?? '') // memory is not what it is

// Of loopback there are many addresses, each with rates of its own.
const from = (i) => new http.Agent({ localAddress: `127.0.${1 + (i >> 8)}.${(i & 255) || 1}`, keepAlive: true, maxSockets: 32 })

const post = (pool, where, fields, agent, browser) =>
  request(`${pool.gateway}/v1${where}?__clerk_api_version=2026-08-20${browser ? `&__clerk_db_jwt=${browser}` : ''}`, { method: 'POST', agent, body: form(fields), headers: { 'Content-Type': 'application/x-www-form-urlencoded', Origin: 'http://localhost:3000' }, timeout: 30000 })

function frontMemory(d) {
  const front = d.children().find((c) => c.role === 'front')
  return Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${front.pid}/status`, 'utf8'))[1]) / 1024
}

async function guesses() {
  const d = await startDaemon()
  const p = await Pool.of(d, 'guesses')
  for (const [what, start] of [
    ['sign-ups, one after the other,', async (b, address) => [UP, await b.call('POST', UP, { email_address: address, password: PASSWORD }), 'prepare_verification', 'attempt_verification']],
    ['sign-ins of one user', async (b, address) => [IN, await b.call('POST', IN, { identifier: address }), 'prepare_first_factor', 'attempt_first_factor']],
  ]) {
    await check(`${what} have 100 wrong codes for an address; then the right one is not looked at either`, async () => {
      const address = `victim@${what.slice(0, 7)}.example`
      if (what.startsWith('sign-in')) await (await p.browser()).signUp(address, PASSWORD)
      const b = await p.browser()
      let wrong = 0
      let last
      let code
      while (wrong < 150) {
        const [at, made, prepare, attempt] = await start(b, address)
        const here = `${at}/${made.response?.id}`
        if ((await b.call('POST', `${here}/${prepare}`, EMAIL)).status !== 200) break // the user is locked
        code = await p.code(address)
        for (let i = 0; i < 5; i++) {
          last = await b.call('POST', `${here}/${attempt}`, { ...EMAIL, code: wrongOf(code) })
          if (last.status !== 422) break
          wrong++
        }
        if (last.status === 422) continue
        const right = await b.call('POST', `${here}/${attempt}`, { ...EMAIL, code })
        assertSame([last.code, right.code, right.status], ['too_many_requests', 'too_many_requests', 429])
        assert(Number(right.headers['retry-after']) > 0, `Retry-After: ${right.headers['retry-after']}`)
        break
      }
      note(`${wrong} wrong codes`)
      assertSame(wrong, 100)
    })
  }
  await check('another address is not concerned', async () => { await (await p.browser()).signUp('other@example.com', PASSWORD) })
  await d.stop()

  await check('after too many wrong passwords from an address the right one does not get through from there', async () => {
    const strict = await startDaemon(['--limit', 'bad_key_rate=1', '--limit', 'bad_key_burst=8'])
    const q = await Pool.of(strict, 'strict')
    const b = await q.browser()
    await b.signUp('ada@example.com', PASSWORD)
    const agent = from(700)
    const other = new Browser(q)
    other.id = JSON.parse((await post(q, '/dev_browser', {}, agent)).text).id
    const tries = await Promise.all(Array.from({ length: 40 }, () => post(q, IN, { identifier: 'ada@example.com', password: 'wrong password' }, agent, other.id)))
    const limited = tries.filter((r) => r.status === 429)
    assert(limited.length > 20, `${limited.length} of 40 were limited`)
    assertSame(new Set(limited.map((r) => r.json().errors[0].code)), new Set(['too_many_requests']))
    // One comes back each second: a wrong one takes it, and the right one comes right behind.
    let right
    for (let i = 0; i < 6 && right?.status !== 429; i++) {
      const wrong = await post(q, IN, { identifier: 'ada@example.com', password: 'wrong password' }, agent, other.id)
      if (wrong.status === 422) right = await post(q, IN, { identifier: 'ada@example.com', password: PASSWORD }, agent, other.id)
    }
    assertSame([right?.status, right?.json().errors?.[0].code], [429, 'too_many_requests'])
    const here = await b.call('POST', IN, { identifier: 'ada@example.com', password: PASSWORD }) // from its own address
    assertSame(here.response?.status, 'complete')
    agent.destroy()
    await strict.stop()
  })
}

async function storm() {
  const d = await startDaemon()
  const p = await Pool.of(d, 'storm')
  const q = await Pool.of(d, 'calm')
  const users = await Promise.all(['storm', 'calm'].map(async (b, i) => { const x = await [p, q][i].browser(); await x.signUp(`ada@${b}.example`, PASSWORD); return x }))
  const agents = Array.from({ length: 24 }, (_, i) => from(i + 2))
  const browsers = await Promise.all(agents.map(async (a) => JSON.parse((await post(p, '/dev_browser', {}, a)).text).id))

  await check('a storm of sign-ins: each is answered, 429 in Clerk’s shape, with no more memory the second time, and another build goes on', async () => {
    const round = async () => {
      const counts = {}
      let slowest = 0
      const attack = Promise.all(agents.flatMap((a, i) => Array.from({ length: 32 }, async (_, k) => {
        const r = await post(p, IN, { identifier: k % 2 ? 'ada@storm.example' : `nobody${k}@storm.example`, password: `wrong password ${k}` }, a, browsers[i])
        counts[r.status] = (counts[r.status] ?? 0) + 1
        if (r.status === 429) {
          const [e] = r.json().errors
          assert(e.code === 'too_many_requests' && e.message && Number(r.headers['retry-after']) >= 1 && r.headers['access-control-allow-origin'] === 'http://localhost:3000', r.text)
        }
      })))
      let going = true
      const other = (async () => {
        while (going) {
          const t = Date.now()
          const r = await users[1].call('POST', IN, { identifier: 'ada@calm.example', password: PASSWORD })
          assert(r.status === 200, `the other build: ${r.status} ${r.text}`)
          slowest = Math.max(slowest, Date.now() - t)
          await new Promise((f) => setTimeout(f, 150))
        }
      })()
      await attack
      going = false
      await other
      return { counts, slowest }
    }
    const while1 = new Meanwhile()
    await round()
    const before = frontMemory(d)
    const rounds = [await round(), await round()]
    const after = frontMemory(d)
    note(`${JSON.stringify(rounds)}; ${before.toFixed(0)} MiB, then ${after.toFixed(0)} MiB`)
    for (const { counts } of rounds) {
      assertSame(Object.keys(counts).filter((s) => s !== '422' && s !== '429'), [])
      assert(counts[429] > 100 && counts[422] > 10, JSON.stringify(counts))
    }
    const slowest = Math.max(...rounds.map((r) => r.slowest))
    assert(while1.allows(slowest, 2500), `the other build's sign-in took ${slowest} ms`)
    if (!sanitized) assert(after - before < 12, `${before.toFixed(0)} MiB, then ${after.toFixed(0)} MiB`)
  })

  await check('a pool that stays open is tidied once many rows came: old ones go', async () => {
    const file = path.join(d.data, 'builds', 'storm', 'auth.db')
    const sql = async (text) => {
      const r = await run('python3', ['-c', 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=10); print(c.execute(sys.argv[2]).fetchone()); c.commit()', file, text])
      assertSame(r.code, 0, r.stderr)
      return Number(/\d+/.exec(r.stdout))
    }
    await sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000) INSERT INTO dev_browsers SELECT cast(printf('old %028d', i) AS BLOB), NULL, 1, 1 FROM n")
    const old = () => sql('SELECT count(*) FROM dev_browsers WHERE used_at = 1')
    assertSame(await old(), 3000)
    let made = 0
    for (let round = 0; round < 40 && made < 2200; round++) {
      const more = Array.from({ length: 8 }, (_, i) => from(100 + round * 8 + i))
      const all = await Promise.all(more.flatMap((a) => Array.from({ length: 60 }, () => post(p, '/dev_browser', {}, a))))
      made += all.filter((r) => r.status === 200).length
      more.forEach((a) => a.destroy())
    }
    assert(made >= 2200, `only ${made} browsers were made`)
    assertSame(await old(), 0)
  })
  agents.forEach((a) => a.destroy())
  await d.stop()
}

export default async function () {
  await guesses()
  await storm()
}
