// The app of tests/payments/majors.mjs, unchanged, with its payments brokered: once in soft mode, once with a connected account (whose
// header the daemon in the vendor's role does not know: what is tried is the way there and back).
import { note } from '../lib/tap.mjs'
import { Broker, Vendor, client } from './world.mjs'
import { portBase } from '../lib/daemon.mjs'
import { flow } from '../payments/majors.mjs'

export async function run() {
  for (const [major, values] of [[23, ['soft=yes']], [14, ['account=acct_1ForFlow']]]) {
    note(`SDK ${major}, ${values}`)
    const vendor = await Vendor.start()
    const base = await portBase()
    const broker = await Broker.start(await vendor.keys(base), { portBase: base })
    await flow(major, { org: true, base, daemon: broker.daemon, build: (id) => broker.build(id, values) })
    await broker.stop()
    await vendor.stop()
  }
}
