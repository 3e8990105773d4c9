// What grows with what is asked: each part says how much memory it may take, and measures it while it runs.
import { check, finish, note } from '../lib/tap.mjs'
import { Daemon, cleanUp, portBase } from '../lib/daemon.mjs'
import { greedy, transactions } from './transactions.mjs'
import { results } from './results.mjs'
import { statements } from './statements.mjs'
import { rows } from './rows.mjs'

// Dumpable, so that the process's maps can be read by another user than root.
const daemon = new Daemon({ portBase: await portBase(), env: { VALETKEY_DEBUG_DUMPABLE: '1' }, args: ['--limit', 'database_connections=1024'] })
const front = () => daemon.children().find((c) => c.role === 'front')?.pid
try {
  await daemon.start()
  const pid = front()
  for (const part of [statements, results, rows, greedy, transactions])
    await check(`the part "${part.name}" ran to its end`, () => part(daemon, pid))
  await check('front is the process that it was', () => front() === pid || daemon.log.slice(-3000))
  await check('the daemon ends cleanly', async () => {
    const end = await daemon.stop({ timeout: 20000 })
    return end?.code === 0 || `ended with ${JSON.stringify(end)}\n${daemon.log.slice(-2000)}`
  })
} catch (e) {
  await check('the suite ran to its end', () => { throw e })
  note(daemon.log.slice(-2000))
} finally {
  await cleanUp()
}
finish()
