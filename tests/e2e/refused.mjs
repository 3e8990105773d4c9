// An app whose key is no good: what its developer gets to see.
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { assert, check, finish } from '../lib/tap.mjs'

const { createClient, LibsqlError } = await import(pathToFileURL(path.resolve('client.mjs')))
const how = process.argv[2]
const client = createClient({ url: process.env.TURSO_DATABASE_URL, authToken: process.env.TURSO_AUTH_TOKEN })

const wants = {
  revoked: [/revoked/i, /^AUTH_/], expired: [/expired/i, /^AUTH_JWT_EXPIRED$/],
  forged: [/unknown|revoked|invalid|not valid/i, /^AUTH_JWT_INVALID$/], junk: [/unknown|revoked|invalid|not valid|valet key/i, /^AUTH_/],
}[how]

const tries = {
  execute: () => client.execute('SELECT 1'),
  batch: () => client.batch(['CREATE TABLE x(a)', 'INSERT INTO x VALUES (1)'], 'write'),
  executeMultiple: () => client.executeMultiple('CREATE TABLE x(a)'),
  migrate: () => client.migrate(['CREATE TABLE x(a)']),
  transaction: async () => { const tx = await client.transaction('write'); await tx.execute('SELECT 1') },
}
for (const [name, act] of Object.entries(tries))
  await check(`${how} key, ${name}: a LibsqlError that says why`, async () => {
    try {
      await act()
    } catch (e) {
      assert(e instanceof LibsqlError, `not a LibsqlError: ${e?.stack}`)
      assert(wants[1].test(e.code), `code ${e.code}: ${e.message}`)
      assert(wants[0].test(e.message), `message: ${e.message}`)
      assert(!e.message.includes(process.env.TURSO_AUTH_TOKEN), 'the message shows the key')
      return
    }
    throw new Error('it was served')
  })
client.close()
finish()
