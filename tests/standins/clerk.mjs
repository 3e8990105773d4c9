// The stand-in of Clerk's Platform API, against the shapes of its description (the vendor has no client of it); the Backend API of an application as
// the vendor's own client sees it.
import { createClerkClient } from '@clerk/backend'
import { Daemon, portBase, request } from '../lib/daemon.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { ClerkPlatform, platformToken } from '../upstreams/clerk_platform.mjs'

export async function clerk() {
  const data = await new Daemon({ portBase: await portBase() }).start()
  const [whole, reader] = [platformToken(), platformToken()]
  const stand = await new ClerkPlatform({ tokens: [{ token: whole }, { token: reader, scopes: ['applications:read'] }], data: { admin: data.adminUrl, token: data.adminToken } }).start()
  const ask = async (method, path, body, token = whole) => {
    const r = await request(`${stand.base}/v1/platform${path}`, { method, headers: { ...(token ? { Authorization: `Bearer ${token}` } : {}), 'Content-Type': 'application/json' }, body })
    return { status: r.status, body: r.text ? r.json() : undefined, code: r.status >= 400 ? r.json().errors[0].code : undefined }
  }
  const members = (o) => Object.keys(o).sort()

  let one
  await check('clerk: an application is made and read, in the shapes of the description', async () => {
    const made = await ask('POST', '/applications', { name: 'build-a', environment_types: ['development'] })
    assertSame([made.status, members(made.body)], [200, ['application_id', 'instances', 'name']])
    one = made.body
    assertSame(members(one.instances[0]), ['environment_type', 'instance_id', 'publishable_key', 'secret_key'])
    const read = await ask('GET', `/applications/${one.application_id}`)
    assertSame([read.body.name, members(read.body.instances[0])], ['build-a', ['environment_type', 'instance_id', 'publishable_key']])
    assertSame((await ask('GET', `/applications/${one.application_id}?include_secret_keys=true`)).body, one)
    assertSame((await ask('GET', '/applications')).body.map((a) => a.application_id), [one.application_id])
  })
  await check('clerk: names are not unique', async () => {
    const twin = (await ask('POST', '/applications', { name: 'build-a' })).body
    assert(twin.application_id !== one.application_id, twin)
    assertSame((await ask('DELETE', `/applications/${twin.application_id}`)).body, { deleted: true, object: 'application', id: twin.application_id })
    assertSame([(await ask('GET', `/applications/${twin.application_id}`)).code, (await ask('DELETE', `/applications/${twin.application_id}`)).status], ['resource_not_found', 404])
  })
  await check('clerk: what it refuses', async () => {
    assertSame((await ask('GET', '/applications', undefined, undefined)).status, 200)
    assertSame((await ask('GET', '/applications', undefined, null)).code, 'authorization_header_format_invalid')
    assertSame((await ask('GET', '/applications', undefined, 'ak_nobody')).status, 401)
    assertSame((await ask('POST', '/applications', { name: 'x' }, reader)).code, 'authorization_missing_scopes')
    assertSame((await ask('GET', `/applications/${one.application_id}?include_secret_keys=true`, undefined, reader)).status, 403)
    assertSame((await ask('POST', '/applications', { name: 'x', colour: 'red' })).status, 422)
    assertSame((await ask('POST', '/applications', {})).status, 422)
  })
  await check('clerk: the application’s own key opens its Backend API, until it is rotated', async () => {
    const client = (secretKey) => createClerkClient({ secretKey, apiUrl: stand.base, telemetry: { disabled: true } })
    const api = client(one.instances[0].secret_key)
    const user = await api.users.createUser({ emailAddress: ['somebody@example.com'], skipPasswordRequirement: true })
    assertSame((await api.users.getUserList()).data.map((u) => u.id), [user.id])
    assertSame((await ask('GET', `/applications/${one.application_id}/instances/development/users?limit=1`)).body.total_count, 1)
    const rotated = await ask('POST', `/applications/${one.application_id}/rotate_secret_keys`, { delay_old_secrets_expiration_hours: 0, reason: 'ended' })
    assertSame([rotated.status, members(rotated.body.instances[0])], [200, ['environment_type', 'instance_id', 'secret_key']])
    assertSame((await api.users.getUserList().then(() => undefined, (e) => e)).status, 401)
    assertSame((await client(rotated.body.instances[0].secret_key).users.getUserList()).data.length, 1)
  })
  await stand.stop()
  await data.stop()
}
