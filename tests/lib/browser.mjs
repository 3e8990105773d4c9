// A headless Chromium that is watched: everything that its pages ask for is kept, and no name but localhost resolves in it.
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { root, tempFolder } from './daemon.mjs'

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1']
// Cookies and storage of third parties are allowed, as in most people's Chrome; Debian's Chromium blocks them by itself.
const PREFERENCES = { profile: { cookie_controls_mode: 0, block_third_party_cookies: false } }
const LOCAL = /^(data|blob|about):|^https?:\/\/(localhost|127\.0\.0\.1)(:|\/)/

// CHROMIUM, or the first in PATH; undefined when there is none.
export const chromium = process.env.CHROMIUM ?? onPath('chromium', 'chromium-browser', 'google-chrome')

/* `foreign`: requests for other hosts than this machine, none of which is answered. `requests`: all of them, { method, url, status },
 * the status once it is known. `problems`: what pages said on their consoles, and errors that nobody caught. */
export class WatchedBrowser {
  // `packages`: the folder whose node_modules has playwright-core.
  static async open(packages) {
    const playwright = createRequire(path.join(packages, 'package.json'))('playwright-core')
    const profile = tempFolder('valetkey-chromium')
    fs.mkdirSync(path.join(profile, 'Default'))
    fs.writeFileSync(path.join(profile, 'Default', 'Preferences'), JSON.stringify(PREFERENCES))
    const context = await playwright.chromium.launchPersistentContext(profile, {
      executablePath: chromium, args: FLAGS, viewport: { width: 1100, height: 900 }, colorScheme: 'light', locale: 'en-GB', timezoneId: 'UTC',
    })
    context.setDefaultTimeout(30_000)
    const browser = new WatchedBrowser()
    Object.assign(browser, { context, foreign: [], requests: [], problems: [], page: context.pages()[0] ?? (await context.newPage()) })
    const entries = new Map()
    context.on('request', (r) => {
      const entry = { method: r.method(), url: r.url(), status: undefined }
      entries.set(r, entry)
      browser.requests.push(entry)
      if (!LOCAL.test(r.url())) browser.foreign.push(r.url())
    })
    context.on('response', (r) => (entries.get(r.request()).status = r.status()))
    context.on('page', (page) => browser.watch(page))
    browser.watch(browser.page)
    return browser
  }

  watch(page) {
    page.on('pageerror', (e) => this.problems.push(e.message))
    page.on('console', (m) => m.type() === 'error' && this.problems.push(`${m.text()} ${m.location().url}`))
  }

  async close() {
    await this.context.close()
  }

  // A picture for people to look at, in tests/.work/.
  shot(name, page = this.page, options = {}) {
    const folder = path.join(root, 'tests', '.work')
    fs.mkdirSync(folder, { recursive: true })
    return page.screenshot({ path: path.join(folder, `${name}.png`), animations: 'disabled', ...options })
  }
}

function onPath(...names) {
  for (const name of names) {
    for (const folder of (process.env.PATH ?? '').split(':')) {
      const file = path.join(folder, name)
      try {
        fs.accessSync(file, fs.constants.X_OK)
        return file
      } catch {
        // Not here.
      }
    }
  }
  return undefined
}
