// An app under load, until its standard input ends; then one line of JSON says what it did. Nothing is tried again. Until then it says
// after every tenth call how many have ended.
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const { createClient } = await import(pathToFileURL(path.resolve('client.mjs')))
const db = createClient({ url: process.env.TURSO_DATABASE_URL, authToken: process.env.TURSO_AUTH_TOKEN })
const sleep = (ms) => new Promise((r) => setTimeout(r, ms))
await db.execute('CREATE TABLE t(v INTEGER)')
console.log('ready')

let stopping = false
process.stdin.on('end', () => (stopping = true)).resume()
let n = 0
let ended = 0
const result = { calls: 0, written: 0, failed: [] }

const acts = {
  async execute() {
    await db.execute({ sql: 'INSERT INTO t VALUES (?)', args: [++n] })
    return 1
  },
  async read() {
    await db.execute('SELECT count(*) FROM t')
    return 0
  },
  async batch() {
    await db.batch([1, 2, 3].map(() => ({ sql: 'INSERT INTO t VALUES (?)', args: [++n] })), 'write')
    return 3
  },
  async transaction() {
    const t = await db.transaction('write')
    try {
      await t.execute({ sql: 'INSERT INTO t VALUES (?)', args: [++n] })
      await t.execute({ sql: 'INSERT INTO t VALUES (?)', args: [++n] })
      await t.commit()
    } finally {
      t.close()
    }
    return 2
  },
}

async function loop(name, rate) {
  while (!stopping) {
    const begun = Date.now()
    try {
      result.calls++
      const rows = await acts[name]()
      result.written += rows
    } catch (e) {
      result.failed.push(`${name}: ${e?.message}: ${e?.cause?.message ?? ''}`)
    }
    if (++ended % 10 === 0) console.log(ended)
    await sleep(Math.max(0, 1000 / rate - (Date.now() - begun)))
  }
}

await Promise.all([loop('execute', 40), loop('execute', 40), loop('read', 60), loop('read', 60), loop('batch', 20), loop('transaction', 15), loop('transaction', 15)])
console.log(JSON.stringify(result))
db.close()
