// The guard of the calls: a table of addresses in every spelling that ever got past one, and resolvers that change their mind.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { root } from '../lib/daemon.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'

export const spellings = () => JSON.parse(readFileSync(path.join(root, 'tests', 'data', 'validation', 'guard.json'), 'utf8'))

export default async function guard(load) {
  const { parseTarget, addressRefused } = load('./key-guard.js')
  const { sender } = load('./key-send.js')
  const { urls, addresses, resolved } = spellings()
  await check(`guard: ${urls.length} texts that are an address or are none`, () => {
    assert(urls.length >= 60, 'enough of them')
    for (const { url, ok } of urls) assertSame(parseTarget(url) !== null, ok, JSON.stringify(url.slice(0, 80)))
  })
  await check('guard: what is taken for an address is what the web\'s own reader sees', () => {
    for (const { url, ok } of urls) {
      if (!ok) continue
      const { host, port, path: rest } = parseTarget(url)
      const theirs = new URL(url)
      assertSame([host, port], [theirs.hostname.replace(/^\[|\]$|\.$/g, ''), Number(theirs.port || 443)], url)
      assertSame(new URL(`https://x${rest.startsWith('/') ? rest : `/${rest}`}`).pathname, theirs.pathname, url)
    }
  })
  await check(`guard: ${addresses.length} addresses that are called or never`, () => {
    assert(addresses.length >= 60, 'enough of them')
    for (const { address, refused } of addresses) assertSame(addressRefused(address), refused, address)
    for (const none of ['', 'localhost', '1.2.3', '1.2.3.4.5', '0177.0.0.1', '0x7f.0.0.1', '::1%lo', 'fe80::1%eth0', '::g', '12345::', '[::1]']) assertSame(addressRefused(none), true, none)
  })
  await check('guard: each network is refused from its first address to its last, and not beyond', () => {
    // The number of addresses in the table above that only one network refuses would not show a mask that is off by one.
    for (const [first, last, under, over] of [['10.0.0.0', '10.255.255.255', '9.255.255.255', '11.0.0.0'], ['100.64.0.0', '100.127.255.255', '100.63.255.255', '100.128.0.0'], ['172.16.0.0', '172.31.255.255', '172.15.255.255', '172.32.0.0'],
      ['198.18.0.0', '198.19.255.255', '198.17.255.255', '198.20.0.0'], ['fc00::', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'fbff:ffff::', undefined], ['2002::', '2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '2001:ffff::', '2003::'], ['3fff::', '3fff:fff:ffff::', '3ffe:ffff::', '3fff:1000::'],
      ['64:ff9b::', '64:ff9b::ffff:ffff', '64:ff9a:ffff::', '64:ff9b:0:0:0:1::'], ['2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', '2001:db7:ffff::', '2001:db9::']]) {
      for (const inside of [first, last]) assertSame(addressRefused(inside), true, inside)
      for (const outside of [under, over]) if (outside) assertSame(addressRefused(outside), false, outside)
    }
  })

  const none = () => { throw new Error('nothing may be dialled') }
  const family = (address) => ({ address, family: address.includes(':') ? 6 : 4 })
  /** A dial that only notes where to, and fails. */
  const noted = (log) => ({ address }, port) => {
    log.push(`${address} ${port}`)
    throw Object.assign(new Error('made up'), { code: 'ECONNREFUSED' })
  }
  const ask = (url) => ({ method: 'GET', url, headers: {} })
  for (const { name, addresses: list, called } of resolved) {
    await check(`guard: ${name} ${called ? 'is called' : 'is not called'}`, async () => {
      const log = []
      let asked = 0
      const send = sender({ resolve: async () => (asked++, list.map(family)), dial: noted(log) })
      assertSame(await send(ask('https://example.com/')), { none: called ? 'unreachable' : 'guard' }, 'outcome')
      assertSame([asked, log], [1, called ? [`${list[0]} 443`] : []], 'asked and dialled')
    })
  }
  await check('guard: no spelling of this machine or of a metadata service is dialled', async () => {
    const send = sender({ resolve: async () => [family('127.0.0.1')], dial: none })
    for (const url of ['https://127.0.0.1/', 'https://[::1]/', 'https://[::ffff:127.0.0.1]/', 'https://[::ffff:7f00:1]/', 'https://[64:ff9b::7f00:1]/', 'https://[2002:7f00:1::]/', 'https://0.0.0.0/', 'https://169.254.169.254/latest/', 'https://168.63.129.16/', 'https://[fd00:ec2::254]/', 'https://localhost/', 'https://localhost./', 'https://127.0.0.1.nip.example/', 'https://[::]/'])
      assertSame(await send(ask(url)), { none: 'guard' }, url)
    for (const { url, ok } of urls) if (!ok) assertSame(await send(ask(url)), { none: 'invalid' }, url)
  })
  await check('guard: only port 443', async () => {
    const send = sender({ resolve: async () => [family('8.8.8.8')], dial: none })
    for (const port of [1, 80, 442, 444, 4500, 4504, 5432, 8443, 65535]) assertSame(await send(ask(`https://example.com:${port}/`)), { none: 'guard' }, String(port))
  })
  await check('guard: a name that is public first and private then is refused then', async () => {
    const answers = [['8.8.8.8'], ['127.0.0.1']]
    const log = []
    const send = sender({ resolve: async () => answers.shift().map(family), dial: noted(log) })
    assertSame([await send(ask('https://example.com/')), await send(ask('https://example.com/'))], [{ none: 'unreachable' }, { none: 'guard' }], 'outcomes')
    assertSame(log, ['8.8.8.8 443'], 'dialled')
  })
  await check('guard: no variable of the environment opens it', async () => {
    const saved = { ...process.env }
    try {
      Object.assign(process.env, { HTTPS_PROXY: 'http://127.0.0.1:9', https_proxy: 'http://127.0.0.1:9', ALL_PROXY: 'http://127.0.0.1:9', NO_PROXY: '*', NODE_USE_ENV_PROXY: '1', NODE_ENV: 'development', VALIDATE_STRIPE_BASE: 'http://127.0.0.1:9', STRIPE_API_BASE: 'http://127.0.0.1:9' })
      const log = []
      const { sender: fresh } = load('./key-send.js')
      assertSame([await fresh({ resolve: async () => [family('8.8.8.8')], dial: noted(log) })(ask('https://api.stripe.com/v1/balance')), await fresh({ dial: none })(ask('https://127.0.0.1/'))], [{ none: 'unreachable' }, { none: 'guard' }], 'outcomes')
      assertSame(log, ['8.8.8.8 443'], 'dialled')
    } finally {
      for (const name of Object.keys(process.env)) if (!(name in saved)) delete process.env[name]
      Object.assign(process.env, saved)
    }
  })
}
