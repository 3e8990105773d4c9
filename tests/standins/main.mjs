import { finish } from '../lib/tap.mjs'
import { common } from './stand.mjs'

await common()
finish()
