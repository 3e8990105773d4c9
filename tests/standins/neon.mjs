// The stand-in of Neon, as the vendor's own client sees it; the SQL of its projects is a real PostgreSQL's.
import { createApiClient } from '@neondatabase/api-client'
import { portBase } from '../lib/daemon.mjs'
import { Postgres } from '../lib/postgres.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { Neon, apiKey } from '../upstreams/neon.mjs'

const ORG = 'org-cool-sun-12345678'

export async function neon() {
  const postgres = await Postgres.start(await portBase())
  const [ours, person] = [apiKey(), apiKey()]
  const stand = await new Neon({ org: ORG, keys: [{ key: ours }, { key: person, kind: 'person' }], postgres: postgres.url(), psql: (sql) => postgres.rows(sql) }).start()
  const client = (key) => createApiClient({ apiKey: key, baseURL: `${stand.base}/api/v2` })
  const api = client(ours)
  const e = async (promise) => promise.then((r) => [r.status], (x) => [x.response?.status, x.response?.data?.message, x.response?.data?.code])
  const psql = async (url, sql) => {
    const r = await postgres.psql(sql, { url })
    return r.code === 0 ? r.stdout.trim() : `exit ${r.code}: ${r.stderr}`
  }
  // Until all operations of a project have finished, as the vendor's documentation says.
  const settled = async (id) => {
    for (;;) {
      const { operations } = (await api.listProjectOperations({ projectId: id })).data
      if (operations.every((o) => o.status === 'finished')) return operations
      for (const o of operations) assertSame((await api.getProjectOperation(id, o.id)).data.operation.id, o.id)
    }
  }

  const make = (name, more = {}) => api.createProject({ project: { name, branch: { name: 'main', role_name: 'app', database_name: 'app' }, ...more } })
  const projects = new Map()

  await check('neon: a project is made in the background', async () => {
    stand.settings.operation = 400
    const r = await make('build-shop', { region_id: 'aws-eu-central-1', settings: { quota: { logical_size_bytes: 1 << 29 } } })
    assertSame([r.status, r.data.project.name, r.data.project.region_id], [201, 'build-shop', 'aws-eu-central-1'])
    assert(r.data.operations.length && r.data.operations.every((o) => o.status !== 'finished'), r.data.operations)
    const id = r.data.project.id
    assertSame((await e(api.deleteProject(id))).slice(0, 2), [423, 'project already has running conflicting operations, scheduling of new ones is prohibited'])
    await settled(id)
    stand.settings.operation = 50
    projects.set('shop', { id, uri: r.data.connection_uris[0].connection_uri, branch: r.data.branch.id })
    assertSame((await api.getProject(id)).data.project.settings.quota.logical_size_bytes, 1 << 29)
  })
  await check('neon: its address opens its own database, which no other project’s does', async () => {
    const shop = projects.get('shop')
    assertSame((await api.getConnectionUri({ projectId: shop.id, database_name: 'app', role_name: 'app' })).data.uri, shop.uri)
    assertSame(await psql(shop.uri, 'CREATE TABLE t (a int); INSERT INTO t VALUES (1); SELECT count(*), current_schema() FROM t'), '1|public')
    const other = await make('build-other')
    await settled(other.data.project.id)
    const { connection_uri: uri, connection_parameters: its } = other.data.connection_uris[0]
    assertSame(await psql(uri, 'SELECT count(*) FROM pg_class WHERE relname = \'t\''), '0')
    assert(/authentication failed/.test(await psql(shop.uri.replace(/:[0-9a-f]+@/, `:${its.password}@`), 'SELECT 1')), 'its password at another project')
    await api.deleteProject(other.data.project.id)
    assert(/exit 2/.test(await psql(uri, 'SELECT 1')), 'a deleted one opens nothing')
  })
  await check('neon: a password is reset, and the old one ends with the operations', async () => {
    const shop = projects.get('shop')
    const r = await api.resetProjectBranchRolePassword(shop.id, shop.branch, 'app')
    assert(r.data.role.password && !shop.uri.includes(r.data.role.password), 'another one')
    await settled(shop.id)
    for (let old = ''; !/authentication failed/.test(old);) old = await psql(shop.uri, 'SELECT 1')
    assertSame((await api.getProjectBranchRolePassword(shop.id, shop.branch, 'app')).data.password, r.data.role.password)
    const { uri } = (await api.getConnectionUri({ projectId: shop.id, database_name: 'app', role_name: 'app' })).data
    assertSame(await psql(uri, 'SELECT a FROM t'), '1')
  })
  await check('neon: names are not unique; lists come in pages, and can be searched', async () => {
    for (let i = 0; i < 5; i++) await make(i < 2 ? 'twin' : `one-${i}`)
    const seen = []
    for (let cursor; ;) {
      const { projects: page, pagination } = (await api.listProjects({ limit: 2, cursor })).data
      if (!page.length) break
      seen.push(...page.map((p) => p.name))
      cursor = pagination.cursor
    }
    assertSame(seen.sort(), ['build-shop', 'one-2', 'one-3', 'one-4', 'twin', 'twin'])
    const twins = (await api.listProjects({ search: 'twi', limit: 100 })).data.projects
    assertSame(twins.map((p) => p.name), ['twin', 'twin'])
    stand.acts.unavailable({ id: twins[0].id })
    assertSame((await api.listProjects({ search: 'twin' })).data.unavailable_project_ids, [twins[0].id])
    stand.acts.unavailable({ id: twins[0].id, on: false })
    stand.acts.finish()
    assertSame(await stand.act('delete', { name: 'twin' }), 2)
    assertSame((await api.listProjects({ recoverable: true })).data.projects.filter((p) => p.name === 'twin').length, 2)
  })
  await check('neon: what it refuses', async () => {
    assertSame((await e(client('napi_nobody').listProjects({})))[0], 401)
    assertSame((await e(client(person).listProjects({})))[0], 400)
    assertSame((await e(client(person).listProjects({ org_id: ORG })))[0], 200)
    assertSame((await e(client(person).getCurrentUserInfo()))[0], 200)
    assertSame((await e(api.getCurrentUserInfo()))[0], 404)
    assertSame((await e(api.listProjects({ org_id: 'org-other-1' })))[0], 403)
    assertSame((await e(api.listProjects({ limit: 401 })))[0], 400)
    assertSame((await e(make('x', { colour: 'red' })))[0], 400)
    assertSame((await e(make('x', { region_id: 'moon' })))[0], 400)
    assertSame((await e(api.getProject('no-such-1')))[0], 404)
    stand.settings.projects = 1
    assertSame(await e(make('x')), [422, 'projects limit of 1 exceeded, got 4', 'PROJECTS_LIMIT_EXCEEDED'])
    delete stand.settings.projects
  })
  await check('neon: all of it goes', async () => {
    for (const p of (await api.listProjects({ limit: 400 })).data.projects) {
      await settled(p.id)
      await api.deleteProject(p.id)
    }
    assertSame(await postgres.rows('SELECT count(*) FROM pg_roles WHERE rolname LIKE \'neon%\''), ['0'])
  })
  await stand.stop()
  await postgres.down()
}
