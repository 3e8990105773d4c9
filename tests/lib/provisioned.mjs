// Builds whose service is made at a vendor by the daemon, for suites with a stand-in of that vendor (tests/upstreams).
import { sleep } from './daemon.mjs'
import { assert, assertSame } from './tap.mjs'
import { entered } from './brokered.mjs'

export class Provisioned {
  /** `keys`: what the organisation enters; `driver`: "auth=clerk". `named(name)`: what lies at the vendor with that name, `all()`: with any. */
  constructor({ daemon, stand, driver, named, all }) {
    Object.assign(this, { daemon, stand, driver, named, all })
    this.vendor = driver.split('=')[1]
  }

  async enter(keys) {
    return entered(this.daemon, ['keys', 'set', this.vendor], keys)
  }

  /** { code, json, text } of `build create`, which waits until it is made, or has failed. */
  async create(id, args = []) {
    const r = await this.daemon.cli(['build', 'create', id, '--driver', this.driver, '--framework', 'node', '--json', ...args], { timeout: 120_000 })
    let json
    try { json = JSON.parse(r.stdout) } catch {}
    return { code: r.code, json, text: `${r.stdout}${r.stderr}` }
  }
  async mustCreate(id, args) {
    const r = await this.create(id, args)
    if (r.code !== 0 || !r.json?.env) throw new Error(`build create ${id}: exit ${r.code}: ${r.text}\n${this.daemon.log.slice(-3000)}`)
    return r.json
  }

  async resources(id) {
    const r = await this.daemon.admin('GET', id ? `/api/v1/builds/${id}/resources` : '/api/v1/resources?state=ending')
    assertSame(r.status, 200, r.text)
    return r.json().resources
  }
  async name(id) {
    return (await this.resources(id))[0].name
  }

  /** It cannot be made, for a reason that `says` fits; nothing of it is left there, and the build goes again. */
  async refused(id, says) {
    const r = await this.create(id, ['--keep'])
    assert(r.code !== 0, r.text)
    const until = Date.now() + 60_000
    let [x] = await this.resources(id)
    while (x.state === 'ending' && Date.now() < until) {
      await sleep(100)
      ;[x] = await this.resources(id)
    }
    assertSame([x.state, says.test(x.why)], ['failed', true], JSON.stringify(x))
    await this.remove(id)
    await this.ended()
  }

  async remove(id) {
    const r = await this.daemon.cli(['build', 'delete', id, '--yes', '--json'], { timeout: 60_000 })
    if (r.code !== 0) throw new Error(`build delete ${id}: ${r.stderr || r.stdout}`)
  }

  /** Until nothing is being ended any more. */
  async ended(ms = 90_000) {
    const until = Date.now() + ms
    for (;;) {
      const left = await this.resources()
      if (!left.length) return
      if (Date.now() > until) throw new Error(`still there: ${JSON.stringify(left)}\n${this.daemon.log.slice(-3000)}`)
      await sleep(100)
    }
  }

  async sweep(names = []) {
    const r = await this.daemon.admin('POST', '/api/v1/resources/sweep', { body: { vendor: this.vendor, delete: names }, timeout: 60_000 })
    assertSame(r.status, 200, r.text)
    return r.json()
  }

  /** A build is made while that goes wrong: there is one thing then, and it is the build's; then it goes again. */
  async through(id, ...faults) {
    this.stand.plan(...faults)
    await this.mustCreate(id)
    assertSame(this.stand.unmet(), [], 'faults that were not met')
    this.stand.plan()
    const name = await this.name(id)
    assertSame(this.named(name).length, 1, `things named ${name}`)
    return name
  }

  /** The audit holds together, and nothing of the organisation's is in the log. */
  async stop(...secrets) {
    const r = await this.daemon.cli(['audit', 'verify'])
    await this.daemon.stop()
    assertSame(r.code, 0, r.stderr || r.stdout)
    const at = this.daemon.log.search(/(WARNING: Thread|ERROR: Address|ERROR: Leak)Sanitizer|runtime error:/)
    assert(at < 0, this.daemon.log.slice(at, at + 6000))
    for (const secret of secrets) assert(!this.daemon.log.includes(secret), 'a secret is in the log')
  }
}
