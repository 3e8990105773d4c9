import { finish } from '../lib/tap.mjs'
import { common } from './stand.mjs'
import { clerk } from './clerk.mjs'
import { r2 } from './r2.mjs'
import { neon } from './neon.mjs'
import { stripe } from './stripe.mjs'
import { turso } from './turso.mjs'

await common()
await turso()
await neon()
await clerk()
await stripe()
await r2()
finish()
