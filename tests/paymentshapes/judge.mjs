// Judges answers by the SDK's own TypeScript types: each is written as a literal that is assigned to its type. What is missing, null where it
// may not be, or no member of an enumeration is an error of the compiler. Members that the type does not know are no errors (Stripe sends
// newer ones to older versions, too): they are taken out of the literal before it is judged, and counted.
import path from 'node:path'
import ts from 'typescript'

// Major versions of the SDK with the version of the API that each pins.
export const MAJORS = { 12: '2022-11-15', 14: '2023-10-16', 17: '2025-02-24.acacia', 18: '2025-08-27.basil', 20: '2026-02-25.clover', 23: '2026-10-28.endive' }

const HERE = import.meta.dirname
const OPTIONS = {
  strict: true, noEmit: true, skipLibCheck: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext, types: ['node'], typeRoots: [path.join(HERE, 'node_modules/@types')],
}

// Until major 21 the types are a declaration of the module "stripe"; then they are the package's own.
const head = (major) =>
  major >= 22
    ? `import Stripe from 'stripe-${major}'\n`
    : `/// <reference path="${path.join(HERE, `node_modules/stripe-${major}/types/index.d.ts`)}" />\nimport Stripe from 'stripe'\n`

const program = (file, text, old) => {
  const host = ts.createCompilerHost(OPTIONS)
  const { getSourceFile, fileExists, readFile } = host
  host.getSourceFile = (name, ...rest) => (name === file ? ts.createSourceFile(name, text, rest[0], true) : getSourceFile.call(host, name, ...rest))
  host.fileExists = (name) => name === file || fileExists.call(host, name)
  host.readFile = (name) => (name === file ? text : readFile.call(host, name))
  return ts.createProgram([file], OPTIONS, host, old)
}

const each = (type) => (type.isUnion() ? type.types : [type])
const isDecimal = (type) => each(type).some((t) => t.symbol?.name === 'Decimal' || t.getProperty?.('_coefficient'))

// Of the types that an object in its place may have, those whose `object` says the same, when it says one.
function meant(checker, node) {
  const type = checker.getContextualType(node)
  const types = type ? each(type) : []
  const name = node.properties.find((p) => p.name.text === 'object')?.initializer.text
  const same = types.filter((t) => {
    const p = t.getProperty('object')
    return p && each(checker.getTypeOfSymbol(p)).some((x) => x.value === name)
  })
  return name && same.length ? same : types
}

// What is to be replaced in the text before it is judged: unknown members go, decimals become what the SDK makes of them.
function edits(checker, source, of) {
  const found = []
  const unknown = []
  const wrong = [] // from major 22 on, enumerations take any other text, too, so that the compiler does not tell
  const visit = (node, trail) => {
    if (ts.isObjectLiteralExpression(node)) {
      const types = meant(checker, node)
      const open = types.some((t) => t.flags & ts.TypeFlags.Any || checker.getIndexInfoOfType(t, ts.IndexKind.String))
      for (const p of node.properties) {
        const here = [...trail, p.name.text]
        const known = open || types.length === 0 || types.some((t) => t.getProperty(p.name.text))
        if (known) visit(p.initializer, here)
        else {
          found.push([p.getFullStart(), p.getEnd() + (source.text[p.getEnd()] === ',' ? 1 : 0), ''])
          unknown.push(here.join('.'))
        }
      }
      return
    }
    if (ts.isStringLiteral(node)) {
      const type = checker.getContextualType(node)
      const words = type ? each(type).filter((t) => t.isStringLiteral()).map((t) => t.value) : []
      if (words.length && !words.includes(node.text) && each(type).some((t) => t.isIntersection())) wrong.push(`${trail.join('.')}: "${node.text}" is none of ${words.slice(0, 12).join(', ')}`)
      if (type && isDecimal(type) && /^-?\d+(\.\d+)?$/.test(node.text)) found.push([node.getStart(), node.getEnd(), '(0 as unknown as Stripe.Decimal)'])
    }
    ts.forEachChild(node, (child) => visit(child, trail))
  }
  for (const s of source.statements) if (ts.isVariableStatement(s)) visit(s.declarationList.declarations[0].initializer, [of(s)])
  return { found, unknown, wrong }
}

const apply = (text, list) => list.toSorted((a, b) => b[0] - a[0]).reduce((t, [from, to, by]) => t.slice(0, from) + by + t.slice(to), text)

// samples: [{ name, type: 'Checkout.Session', json }]. → { errors: [text], unknown: Map of paths to counts }
export function judge(major, samples) {
  const file = path.join(HERE, `judged-${major}.ts`)
  const text = head(major) + samples.map((s, i) => `export const s${i}: Stripe.${s.type} = ${JSON.stringify(s.json, null, 1)}\n`).join('')
  const first = program(file, text)
  const index = (statement) => Number(statement.declarationList.declarations[0].name.text.slice(1))
  const source = first.getSourceFile(file)
  const { found, unknown, wrong } = edits(first.getTypeChecker(), source, (s) => samples[index(s)].type)
  const judged = program(file, apply(text, found), first)
  const errors = [...wrong, ...[...judged.getSyntacticDiagnostics(judged.getSourceFile(file)), ...judged.getSemanticDiagnostics(judged.getSourceFile(file))].map((d) => {
    const node = d.file.statements.find((s) => s.pos <= d.start && d.start < s.end)
    const sample = node && ts.isVariableStatement(node) ? samples[index(node)].name : '?'
    const line = d.file.text.slice(d.start, d.start + 60).split('\n')[0]
    return `${sample}: at ${line}: ${ts.flattenDiagnosticMessageText(d.messageText, ' — ').slice(0, 600)}`
  })]
  const counts = new Map()
  for (const u of unknown) counts.set(u, (counts.get(u) ?? 0) + 1)
  return { errors, unknown: counts }
}
