// Listings: 2,500 keys against a model in JavaScript, all three kinds of list, odd keys.
import { ListObjectVersionsCommand, ListObjectsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { paginateListObjectsV2 } from '@aws-sdk/client-s3'
import { eachOf, raw } from '../lib/s3.mjs'
import { seeded } from '../lib/daemon.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { ODD_KEYS, fails, md5, quoted, refused } from './rig.mjs'

const byBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))

// What a listing without pages holds: keys and common prefixes, in order. `after`: nothing at or before it, nor a group that is.
function expected(keys, { prefix = '', delimiter, after = '' }) {
  const out = []
  for (const k of keys) {
    if (!k.startsWith(prefix)) continue
    const at = delimiter ? k.indexOf(delimiter, prefix.length) : -1
    const entry = at < 0 ? k : k.slice(0, at + delimiter.length)
    const group = at >= 0
    if (byBytes(entry, after) <= 0) continue
    if (group && out.length && out.at(-1).group && out.at(-1).entry === entry) continue
    out.push({ entry, group })
  }
  return out.map((e) => (e.group ? `group ${e.entry}` : e.entry))
}

const entriesOf = (r, list = r.Contents) => [...(list ?? []).map((o) => [o.Key, o.Key]), ...(r.CommonPrefixes ?? []).map((c) => [c.Prefix, `group ${c.Prefix}`])].sort((a, b) => byBytes(a[0], b[0])).map((e) => e[1])

// Each kind of list, as a function from (query, where the last page ended) to { entries, next, r }.
const KINDS = (s3, Bucket) => ({
  V2: async ({ prefix, delimiter, max, after }, last) => {
    const r = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: prefix, Delimiter: delimiter, MaxKeys: max, StartAfter: after || undefined, ContinuationToken: last?.r.NextContinuationToken }))
    assertSame(r.KeyCount, (r.Contents ?? []).length + (r.CommonPrefixes ?? []).length, 'KeyCount')
    return { entries: entriesOf(r), r }
  },
  V1: async ({ prefix, delimiter, max, after }, last) => {
    const r = await s3.send(new ListObjectsCommand({ Bucket, Prefix: prefix, Delimiter: delimiter, MaxKeys: max, Marker: last ? last.r.NextMarker ?? last.r.Contents.at(-1).Key : after || undefined }))
    return { entries: entriesOf(r), r }
  },
  versions: async ({ prefix, delimiter, max, after }, last) => {
    const r = await s3.send(new ListObjectVersionsCommand({ Bucket, Prefix: prefix, Delimiter: delimiter, MaxKeys: max, KeyMarker: last ? last.r.NextKeyMarker : after || undefined, VersionIdMarker: last?.r.NextVersionIdMarker }))
    for (const v of r.Versions ?? []) assertSame([v.VersionId, v.IsLatest], ['null', true], v.Key)
    return { entries: entriesOf(r, r.Versions), r }
  },
})

export async function listings({ s3, env, title, name, own }) {
  const Bucket = env.R2_BUCKET
  const test = (what, fn) => check(`${title}: ${what}`, fn)
  const rnd = seeded(20261128)

  // 2,500 keys whose groups are of all sizes, some with a character after '/' that sorts before or behind it.
  const tree = []
  for (let i = 0; i < 1100; i++) tree.push(`flat/${String(i).padStart(5, '0')}`)
  for (let i = 0; i < 900; i++) tree.push(`deep/${i % 30}/${i % 7}/${i}`)
  for (let i = 0; i < 300; i++) tree.push(`mixed/${rnd.pick(['a', 'a/', 'a-', 'a.', 'a0', 'ä', '日', '😀', '/', '//'])}${i}`)
  for (let i = 0; i < 200; i++) tree.push(`top${i}`)
  const keys = [...new Set(tree)].map((k) => `l/${k}`).sort(byBytes)
  await test(`${keys.length} objects are written`, async () => {
    await eachOf(keys, 16, async (k) => {
      const r = await raw(env, { method: 'PUT', key: name(k), body: k.slice(0, 7) })
      if (r.status !== 200) throw new Error(`${k}: ${r.status} ${r.text}`)
    })
    assertSame(keys.length, 2500)
  })
  const named = keys.map(name)

  for (const [kind, page] of Object.entries(KINDS(s3, Bucket))) {
    const all = async (query, most) => {
      const got = []
      for (let last, pages = 0; ; pages++) {
        last = await page(query, last)
        assert(pages <= most, `no end after ${pages} pages`)
        assert(last.entries.length <= (query.max ?? 1000), `a page of ${last.entries.length}`)
        got.push(...last.entries)
        if (!last.r.IsTruncated) return got
        assert(last.entries.length > 0, 'a page with nothing is truncated')
      }
    }
    const like = async (query, most) => {
      const want = expected(named, query)
      const got = await all(query, most ?? want.length)
      const at = want.findIndex((w, i) => w !== got[i])
      assert(got.length === want.length && at < 0, `${JSON.stringify(query)}: ${got.length} entries, ${want.length} expected; at ${at}: ${got[at]}, expected ${want[at]}`)
      return want.length
    }
    await test(`${kind}: all of it, in pages of 1,000`, async () => {
      assertSame([await like({ prefix: name('l/') }, 2)], [2500])
      const first = await page({ prefix: name('l/') })
      assertSame([first.entries.length, first.r.IsTruncated, first.r.MaxKeys, first.r.Prefix, first.r.Name], [1000, true, 1000, name('l/'), Bucket])
      const o = (first.r.Contents ?? first.r.Versions)[0]
      assertSame([o.Key, o.Size, o.ETag, o.StorageClass, o.LastModified instanceof Date], [named[0], keys[0].slice(0, 7).length, quoted(md5(keys[0].slice(0, 7))), 'STANDARD', true])
    })
    await test(`${kind}: with delimiters, start points and page sizes of all kinds`, async () => {
      const prefixes = ['l/', 'l/deep/', 'l/deep/1', 'l/mixed/', 'l/mixed/a', 'l/flat/0001', 'l/top', 'l/none/', 'l/mixed/ä', 'l/mixed//', 'l/flat/00000'].map(name)
      await Promise.all(Array.from({ length: 4 }, async (_, lane) => {
        for (let i = 0; i < 30; i++) {
          if (i % 4 !== lane) continue
          const r = seeded(i * 7919 + 1)
          for (let warm = 0; warm < 5; warm++) r.next()
          const prefix = r.pick(prefixes)
          const query = { prefix, delimiter: r.pick([undefined, '/', '/', '-', 'a', '00', '日']), max: r.pick([1, 2, 7, 100, 999, 1000]), after: r.pick(['', '', r.pick(named), `${r.pick(named)}x`, prefix, name('l/deep/15/'), name('l/mixed/a/'), name('l/zzz')]) }
          const want = expected(named, query).length
          // A small page of a long list only looks at its start.
          if (want > query.max * 25) query.max = Math.max(100, query.max)
          await like(query)
        }
      }))
    })
    await test(`${kind}: max-keys 0 is an empty list, -1 and more than 1,000`, async () => {
      const z = await page({ prefix: name('l/'), max: 0 })
      assertSame([z.entries, z.r.IsTruncated], [[], false])
      await fails(page({ prefix: name('l/'), max: -1 }), 400, 'InvalidArgument')
      assertSame((await page({ prefix: name('l/'), max: 5000 })).entries.length, 1000)
    })
    await test(`${kind}: odd keys come back as they are, with and without encoding-type`, async () => {
      if (kind === 'V2') await eachOf(ODD_KEYS, 8, (k) => raw(env, { method: 'PUT', key: name(`odd/${k}`), body: 'x' }))
      const want = ODD_KEYS.map((k) => name(`odd/${k}`)).sort(byBytes)
      const Command = { V2: ListObjectsV2Command, V1: ListObjectsCommand, versions: ListObjectVersionsCommand }[kind]
      const plain = await s3.send(new Command({ Bucket, Prefix: name('odd/') }))
      const list = plain.Contents ?? plain.Versions
      const missing = want.filter((k) => !list.some((o) => o.Key === k))
      assertSame(missing, [], `keys that are not in the plain list; it has ${JSON.stringify(list.filter((o) => !want.includes(o.Key)).map((o) => o.Key))}`)
      const e = await s3.send(new Command({ Bucket, Prefix: name('odd/'), Delimiter: '+', EncodingType: 'url' }))
      const entries = [...(e.Contents ?? e.Versions).map((o) => o.Key), ...(e.CommonPrefixes ?? []).map((c) => c.Prefix)]
      for (const k of entries) assert(/^[A-Za-z0-9\-_.~!*'()/%]*$/.test(k), `not encoded: ${k}`)
      assertSame([entries.map(decodeURIComponent).sort(byBytes), e.EncodingType, decodeURIComponent(e.Prefix), decodeURIComponent(e.Delimiter)], [want.map((k) => (k.includes('+') ? k.slice(0, k.indexOf('+') + 1) : k)).sort(byBytes), 'url', name('odd/'), '+'])
    })
    await test(`${kind}: every odd key as the start point and as the prefix`, async () => {
      const want = ODD_KEYS.map((k) => name(`odd/${k}`)).sort(byBytes)
      const bad = []
      await eachOf(want, 4, async (k) => {
        const next = want[want.indexOf(k) + 1]
        const a = await page({ prefix: name('odd/'), after: k, max: 1 }).catch((e) => ({ entries: [e.message] }))
        if (a.entries[0] !== next) bad.push(`after ${JSON.stringify(k)}: ${JSON.stringify(a.entries)}`)
        const p = await page({ prefix: k, max: 1 }).catch((e) => ({ entries: [e.message] }))
        if (p.entries[0] !== want.filter((w) => w.startsWith(k))[0]) bad.push(`prefix ${JSON.stringify(k)}: ${JSON.stringify(p.entries)}`)
      })
      assertSame(bad, [])
    })
  }

  await test('the paginator of the SDK', async () => {
    let n = 0
    let pages = 0
    for await (const p of paginateListObjectsV2({ client: s3, pageSize: 400 }, { Bucket, Prefix: name('l/') })) { n += p.KeyCount; pages++ }
    assertSame([n, pages], [2500, 7])
  })
  await test('V2: fetch-owner, StartAfter is told again, a wrong token is refused', async () => {
    const plain = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: name('l/top'), MaxKeys: 1, StartAfter: name('l/top1') }))
    assertSame([plain.Contents[0].Owner, plain.StartAfter], [undefined, name('l/top1')])
    const owner = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: name('l/top'), MaxKeys: 1, FetchOwner: true }))
    assert(owner.Contents[0].Owner?.ID, 'no owner')
    for (const ContinuationToken of ['made-up', `${plain.NextContinuationToken}x`, plain.NextContinuationToken.slice(0, -4), '']) {
      if (ContinuationToken === '') continue
      await fails(s3.send(new ListObjectsV2Command({ Bucket, Prefix: name('l/top'), ContinuationToken })), 400, 'InvalidArgument')
    }
    await fails(s3.send(new ListObjectsV2Command({ Bucket, Prefix: name('l/flat'), ContinuationToken: plain.NextContinuationToken })), 400, 'InvalidArgument')
  })
  await test('parameters that are none', async () => {
    for (const query of [[['max-keys', 'ten']], [['list-type', '2'], ['max-keys', '1e3']], [['encoding-type', 'base64']], [['list-type', '2'], ['max-keys', '99999999999999999999']]]) await refused(raw(env, { query: [['prefix', name('l/')], ...query] }), 400, 'InvalidArgument')
  })
  if (!own) return
  await test('without a prefix the list is all of the build, in the form of the request', async () => {
    const bare = await s3.send(new ListObjectsV2Command({ Bucket, Delimiter: '/' }))
    const full = await s3.send(new ListObjectsV2Command({ Bucket, Delimiter: '/', Prefix: env.R2_PREFIX }))
    const folders = (r) => (r.CommonPrefixes ?? []).map((c) => c.Prefix)
    assertSame(folders(full), ['l/', 'odd/'].map((k) => env.R2_PREFIX + k))
    assert([JSON.stringify(['l/', 'odd/']), JSON.stringify(['builds/'])].includes(JSON.stringify(folders(bare))), JSON.stringify(folders(bare)))
  })
}
