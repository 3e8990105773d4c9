// Follows a section of a page in docs/: the files it shows are written, the commands of its `sh` blocks are run, both as they stand.
//
//   `path`:            a line that is all of this names the file which the next block is
//   ```sh              command lines; `export NAME=value …` counts for those after it, `npm install …` is compared with a lock file
//   ```console, …      a block without a name before it and of another language is only to be read
import fs from 'node:fs'
import path from 'node:path'
import { assertSame } from './tap.mjs'
import { binary, root, run } from './daemon.mjs'

// The steps of one section: { file, text } or { line }.
export function section(page, title) {
  const text = fs.readFileSync(path.join(root, 'docs', page), 'utf8')
  const part = text.split(/^(?=## )/m).find((p) => p.startsWith(`## ${title}\n`))
  if (!part) throw new Error(`docs/${page} has no section "${title}"`)
  const steps = []
  for (const m of part.matchAll(/(?:^`([^`\n]+)`:\n\n)?^```(\w+)\n([^]*?)^```$/gm)) {
    if (m[1]) steps.push({ file: m[1], text: m[3] })
    else if (m[2] === 'sh') for (const line of m[3].trim().split('\n')) steps.push({ line })
  }
  return steps
}

export class Follower {
  // `packages`: the folder whose package.json has what `npm install` names, and whose node_modules the project gets; or one for each
  // folder of an `npm install --prefix`.
  constructor({ dir, packages, data, env = {} }) {
    Object.assign(this, { dir, packages, ran: [] })
    const bin = path.join(dir, '.bin')
    fs.mkdirSync(bin, { recursive: true })
    fs.symlinkSync(binary, path.join(bin, 'valetkey'))
    this.env = { PATH: `${bin}:${path.dirname(process.execPath)}:${process.env.PATH}`, HOME: process.env.HOME ?? dir, VALETKEY_DATA: data, npm_config_update_notifier: 'false', ...env }
  }

  write(file, text) {
    const to = path.join(this.dir, file)
    fs.mkdirSync(path.dirname(to), { recursive: true })
    fs.writeFileSync(to, text)
  }

  // One line, by a shell that has the environment of the section and nothing of the suite's. What it printed.
  async line(line) {
    const exported = /^export ((?:[A-Z_]+=\S+ ?)+)$/.exec(line)
    if (exported) for (const pair of exported[1].trim().split(' ')) this.env[pair.slice(0, pair.indexOf('='))] = pair.slice(pair.indexOf('=') + 1)
    else if (/^npm install /.test(line)) this.install(line)
    else {
      const env = Object.entries(this.env).map(([k, v]) => `${k}=${v}`)
      const r = await run('env', ['-i', ...env, 'sh', '-ec', line], { cwd: this.dir, timeout: 120000 })
      if (r.code !== 0) throw new Error(`${line}: exit ${r.code ?? r.signal}\n${r.stdout.slice(-2000)}\n${r.stderr.slice(-2000)}`)
      this.ran.push(line)
      return r.stdout + r.stderr
    }
  }

  install(line) {
    const words = line.split(' ').slice(2)
    const prefix = words[0] === '--prefix' ? words.splice(0, 2)[1] : '.'
    const from = this.packages[prefix]
    if (!from) throw new Error(`${line}: no packages for ${prefix}`)
    const { dependencies } = JSON.parse(fs.readFileSync(path.join(from, 'package.json'), 'utf8'))
    for (const word of words) {
      const at = word.lastIndexOf('@')
      assertSame(dependencies[word.slice(0, at)], word.slice(at + 1), line)
    }
    const to = path.join(this.dir, prefix, 'node_modules')
    if (!fs.existsSync(to)) fs.symlinkSync(path.join(from, 'node_modules'), to)
  }

  // The steps up to the first one for which `until` is true, which is left; false when there is none.
  async follow(steps, until = () => false) {
    while (steps.length) {
      if (until(steps[0])) return true
      const step = steps.shift()
      if (step.file) this.write(step.file, step.text)
      else await this.line(step.line)
    }
    return false
  }
}
