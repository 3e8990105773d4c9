// What suites of provisioning ask of a daemon: builds whose services come from a vendor's stand-in (tests/upstreams).
import { sleep } from './daemon.mjs'

/** `build create` with a driver; { code, json, text }. `json` false: as people have it. */
export async function create(daemon, id, args, { json = true } = {}) {
  const r = await daemon.cli(['build', 'create', id, ...(json ? ['--json'] : []), ...args], { timeout: 120_000 })
  const said = (() => { try { return JSON.parse(r.stdout) } catch { return undefined } })()
  return { code: r.code, json: said, text: `${r.stdout}${r.stderr}` }
}

/** What keeper says there is: [{ build, state, name, … }]. */
export async function resources(daemon, query = '') {
  const r = await daemon.admin('GET', `/api/v1/resources${query}`)
  if (r.status !== 200) throw new Error(`resources: ${r.status} ${r.text}`)
  return r.json().resources
}

/** Waits until `look()` gives something, and gives it. */
export async function until(look, what, ms = 60_000) {
  for (const end = performance.now() + ms; ;) {
    const got = await look()
    if (got) return got
    if (performance.now() > end) throw new Error(`${what}: not within ${ms} ms`)
    await sleep(100)
  }
}

/** Deletes builds, and waits until nothing of them is left at the vendor by keeper's account. */
export async function gone(daemon, ...ids) {
  for (const id of ids) {
    const r = await daemon.admin('DELETE', `/api/v1/builds/${id}`)
    if (![200, 202, 204, 404].includes(r.status)) throw new Error(`DELETE ${id}: ${r.status} ${r.text}`)
  }
  await until(async () => !(await resources(daemon)).some((r) => ids.includes(r.build)), `the end of ${ids}`)
}
