import { finish } from '../lib/tap.mjs'
import { common } from './stand.mjs'
import { r2 } from './r2.mjs'
import { turso } from './turso.mjs'

await common()
await turso()
await r2()
finish()
