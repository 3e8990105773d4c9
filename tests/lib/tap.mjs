// TAP-style reporting for suites written in Node. A suite that checked nothing fails: see `finish`.
import { isDeepStrictEqual, inspect } from 'node:util'

let passed = 0
let failed = 0
let skipped = 0

const show = (v) => inspect(v, { depth: 6, breakLength: 160, maxArrayLength: 40, maxStringLength: 600 })

export function note(text) {
  for (const line of String(text).split('\n')) console.log(`# ${line}`)
}

export function ok(cond, name, detail) {
  if (cond) {
    passed++
    console.log(`ok ${passed + failed + skipped} - ${name}`)
  } else {
    failed++
    console.log(`not ok ${passed + failed + skipped} - ${name}`)
    if (detail !== undefined) note(`  ${typeof detail === 'string' ? detail : show(detail)}`)
  }
  return Boolean(cond)
}

// Not counted as passed: something this machine cannot do, said aloud.
export function skip(name, why) {
  skipped++
  console.log(`ok ${passed + failed + skipped} - ${name} # SKIP ${why}`)
}

export function same(got, want, name) {
  return ok(isDeepStrictEqual(got, want), name, `got  ${show(got)}\n  want ${show(want)}`)
}

// One named check that may throw: what it throws is the failure.
export async function check(name, fn) {
  try {
    const r = await fn()
    return ok(r === undefined || r === true, name, r === undefined || r === true ? undefined : r)
  } catch (e) {
    return ok(false, name, e?.stack ?? String(e))
  }
}

export function assert(cond, what) {
  if (!cond) throw new Error(what)
}

export function assertSame(got, want, what = 'value') {
  if (!isDeepStrictEqual(got, want)) throw new Error(`${what}: got ${show(got)}, want ${show(want)}`)
}

export function counts() {
  return { passed, failed, skipped }
}

// The plan line and the exit code. Zero checks is a failure.
export function finish() {
  const n = passed + failed + skipped
  if (passed === 0) {
    console.log(`not ok ${n + 1} - at least one check ran`)
    failed++
  }
  console.log(`1..${passed + failed + skipped}`)
  process.exitCode = failed ? 1 : 0
  // What a failed check left running (a load, a browser) must not keep the suite from ending.
  setTimeout(() => process.exit(), 5000).unref()
}
