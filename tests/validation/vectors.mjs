#!/usr/bin/env node
// Vectors for whoever runs the table of key checks: what was typed, each request that must be made with the answer that it gets, and the report
// that must come out. They are made from cases.mjs, by `tests/validation/vectors.mjs`; the suite compares.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { cleanUp, root } from '../lib/daemon.mjs'
import { cases, NOW, RANDOM } from './cases.mjs'
import { compile } from './engine.mjs'
import { withoutKeys } from './values.mjs'
import { nameOf } from './vendors.mjs'

const folder = path.join(root, 'tests', 'data', 'validation')
export const SERVICES = ['clerk', 'database', 'storage', 'stripe']

const answered = (answer) => (answer.none ? { none: answer.none } : { status: answer.status, headers: answer.headers ?? {}, body: Buffer.from(answer.body ?? ''), ...(answer.code && { code: answer.code }) })
const withoutTimes = (report) => ({ ...report, checks: report.checks.map(({ ms, ...check }) => check) })

/** Runs one set of keys; `answer` gives what each request gets. */
export async function run({ runLadders, rules }, { service, keys, refused, origin }, answer) {
  const log = []
  const send = async (ask) => {
    const got = answer(ask, log.length)
    log.push({ expect: { ...ask, headers: { ...ask.headers } }, answer: got })
    return answered(got)
  }
  const result = await runLadders(rules, { [service]: keys }, { send, postgres: send, now: () => new Date(NOW), random: (n) => Buffer.from(RANDOM.slice(0, 2 * n), 'hex'), refused, origin })
  return { log, report: withoutTimes(result[service]) }
}

/** The answers of a case, by the call's name; of a list each once, the last for all that follow. */
export function vendorOf({ service, keys, answers }) {
  const times = new Map()
  return (ask) => {
    const name = nameOf(service, ask, keys.R2_BUCKET)
    const answer = answers[name]
    if (!answer) throw new Error(`a call that nobody expected: ${ask.method} ${ask.url}`)
    if (typeof answer === 'function') return answer(RANDOM)
    if (!Array.isArray(answer)) return answer
    const time = times.get(name) ?? 0
    times.set(name, time + 1)
    return answer[Math.min(time, answer.length - 1)]
  }
}

/** The answers of a vector, in their order; a request that is not the expected one is an error. */
export function scriptOf({ script }, same) {
  return (ask, n) => {
    const step = script[n]
    if (!step) throw new Error(`a call that nobody expected: ${ask.method} ${ask.url}`)
    same(ask, step.expect)
    return step.answer
  }
}

export async function vectorOf(engine, one) {
  const { log, report } = await run(engine, one, vendorOf(one))
  const { name, keys, refused, origin } = one
  return { name, keys, ...(refused && { refused }), ...(origin && { origin }), script: log, report }
}

const file = (service) => path.join(folder, `${service}.json`)

/** With the steps and checks themselves in place of their numbers. */
export function stored(service) {
  const { steps, checks, vectors } = JSON.parse(readFileSync(file(service), 'utf8'))
  return vectors.map((vector) => ({ ...vector, script: vector.script.map((n) => steps[n]), report: { ...vector.report, checks: vector.report.checks.map((n) => checks[n]) } }))
}

export async function made(engine, service) {
  const [steps, checks, vectors] = [[], [], []]
  const numberIn = (list) => (one) => {
    const text = JSON.stringify(one)
    const n = list.indexOf(text)
    return n < 0 ? list.push(text) - 1 : n
  }
  for (const one of cases.filter((one) => one.service === service)) {
    const { script, report, ...rest } = await vectorOf(engine, one)
    vectors.push({ ...rest, script: script.map(numberIn(steps)), report: { ...report, checks: report.checks.map(numberIn(checks)) } })
  }
  const about = 'Made by tests/validation/vectors.mjs. A script is a list of numbers of steps, in their order; so is a list of checks. Times are left out; "now" and "random" are what the clock and the random numbers give.'
  return { about, service, now: NOW, random: RANDOM, steps: steps.map((text) => JSON.parse(text)), checks: checks.map((text) => JSON.parse(text)), vectors }
}

/** As JSON, in lines that can be read. */
export function written(value, indent = 0, width = 160) {
  const line = JSON.stringify(value)
  if (line.length + indent <= width || typeof value !== 'object' || value === null) return line
  const pad = ' '.repeat(indent + 1)
  const parts = Array.isArray(value) ? value.map((one) => pad + written(one, indent + 1, width)) : Object.entries(value).map(([name, one]) => `${pad}${JSON.stringify(name)}:${written(one, indent + 1, width)}`)
  const [open, close] = Array.isArray(value) ? '[]' : '{}'
  return `${open}\n${parts.join(',\n')}\n${' '.repeat(indent)}${close}`
}

if (process.argv[1] === import.meta.filename) {
  const load = compile()
  const engine = { runLadders: load('./key-ladder.js').runLadders, rules: load('./key-rules.js').KEY_RULES }
  mkdirSync(folder, { recursive: true })
  for (const service of SERVICES) {
    const all = await made(engine, service)
    writeFileSync(file(service), `${withoutKeys(written(all))}\n`)
    console.log(`${service}: ${all.vectors.length} vectors`)
  }
  await cleanUp()
}
