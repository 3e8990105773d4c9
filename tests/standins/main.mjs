import { finish } from '../lib/tap.mjs'
import { common } from './stand.mjs'
import { turso } from './turso.mjs'

await common()
await turso()
finish()
