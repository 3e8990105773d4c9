// Users, their addresses, passwords and metadata.
import { pbkdf2Sync } from 'node:crypto'
import { sleep } from '../lib/daemon.mjs'
import { assert, assertSame } from '../lib/tap.mjs'
import { isId, refused } from './rig.mjs'

const PASSWORD = 'correct-horse-9'
// Of "correct horse", made by others: the vectors of src/crypto/test_password.c.
const IMPORTED = 'correct horse'
const DIGESTS = {
  argon2id: '$argon2id$v=19$m=19456,t=2,p=1$AQgPFh0kKzI5QEdOVVxjag$tO2prMuT+y72cZXePb7M1VG9hFsHVsW0aO+6KWwoRZo',
  bcrypt: '$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e',
  pbkdf2_sha256: `pbkdf2_sha256$1000$${Buffer.from('sixteen bytes...').toString('base64')}$${pbkdf2Sync(IMPORTED, 'sixteen bytes...', 1000, 32, 'sha256').toString('base64')}`,
}

export async function users({ clerk, step, two, client }) {
  const api = clerk.users
  const people = {}
  const ids = async (params) => (await api.getUserList(params)).data.map((u) => u.id)

  await step('nobody is there at first', async () => {
    assertSame(await api.getUserList(), { data: [], totalCount: 0 }, 'list')
    assertSame(await api.getCount(), 0, 'count')
  })

  await step('a user is created with all that Clerk takes, and read back the same', async () => {
    const made = await api.createUser({
      emailAddress: ['Ada@Example.com'], password: PASSWORD, firstName: 'Ada', lastName: 'Quill', externalId: 'row-1', createdAt: new Date('2024-05-06T07:08:09Z'),
      publicMetadata: { role: 'writer', level: { of: [1, 2] } }, privateMetadata: { note: 'só' }, unsafeMetadata: { theme: 'dark' },
    })
    people.ada = made.id
    isId(made.id, 'user')
    isId(made.primaryEmailAddressId, 'idn')
    assertSame([made.firstName, made.lastName, made.fullName, made.externalId, made.passwordEnabled, made.banned, made.locked, made.createdAt],
      ['Ada', 'Quill', 'Ada Quill', 'row-1', true, false, false, Date.parse('2024-05-06T07:08:09Z')], 'user')
    assertSame([made.publicMetadata, made.privateMetadata, made.unsafeMetadata], [{ role: 'writer', level: { of: [1, 2] } }, { note: 'só' }, { theme: 'dark' }], 'metadata')
    assertSame(made.emailAddresses.map((e) => [e.id, e.emailAddress, e.verification.status]), [[made.primaryEmailAddressId, 'ada@example.com', 'verified']], 'addresses')
    assert(URL.canParse(made.imageUrl), `picture ${made.imageUrl}`)
    assertSame(JSON.parse(JSON.stringify(await api.getUser(made.id))), JSON.parse(JSON.stringify(made)), 'read back')
  })

  await step('what cannot be a user is refused, at its field', async () => {
    await refused(api.createUser({ emailAddress: ['ADA@example.com'], password: PASSWORD }), 422, 'form_identifier_exists', 'email_address')
    await refused(api.createUser({ emailAddress: ['nobody'], password: PASSWORD }), 422, 'form_param_format_invalid', 'email_address')
    await refused(api.createUser({ emailAddress: ['short@example.com'], password: 'seven77' }), 422, 'form_password_length_too_short', 'password')
    assertSame(await api.getCount(), 1, 'count')
  })

  for (const [passwordHasher, passwordDigest] of Object.entries(DIGESTS)) {
    await step(`a user comes with a digest of ${passwordHasher}, and the password fits`, async () => {
      const { id } = await api.createUser({ emailAddress: [`${passwordHasher}@example.com`], passwordHasher, passwordDigest, firstName: passwordHasher })
      people[passwordHasher] = id
      // Twice: the first good check may store a digest of our own.
      for (let i = 0; i < 2; i++) assertSame(await api.verifyPassword({ userId: id, password: IMPORTED }), { verified: true }, 'right')
      await refused(api.verifyPassword({ userId: id, password: 'correct horsf' }), 422, 'incorrect_password')
    })
  }

  await step('lists: all filters, orders and pages', async () => {
    const { ada, argon2id, bcrypt, pbkdf2_sha256: django } = people
    const newest = [django, bcrypt, argon2id, ada]
    assertSame(await ids(), newest, 'newest first')
    assertSame(await ids({ orderBy: '+created_at' }), newest.toReversed(), 'oldest first')
    for (const orderBy of ['updated_at', '-last_active_at', '-last_sign_in_at']) assertSame((await ids({ orderBy })).toSorted(), newest.toSorted(), orderBy)
    await refused(api.getUserList({ orderBy: '+email_address' }), 422, 'form_param_value_invalid', 'order_by')
    assertSame(await ids({ limit: 2 }), newest.slice(0, 2), 'first page')
    assertSame(await ids({ limit: 2, offset: 2 }), newest.slice(2), 'second page')
    assertSame((await api.getUserList({ limit: 1 })).totalCount, 4, 'total of a page')
    assertSame(await ids({ emailAddress: ['bcrypt@example.com', 'Ada@example.com'] }), [bcrypt, ada], 'two addresses')
    assertSame(await ids({ userId: [argon2id, ada] }), [argon2id, ada], 'two ids')
    assertSame(await ids({ externalId: ['row-1'] }), [ada], 'external id')
    assertSame(await ids({ emailAddress: ['none@example.com'] }), [], 'nobody')
    assertSame(await ids({ query: 'QUILL' }), [ada], 'part of a name')
    assertSame(await ids({ query: 'bcrypt@' }), [bcrypt], 'part of an address')
    assertSame(await ids({ query: '%' }), [], 'what a database would take for all')
    assertSame([await api.getCount({ query: 'quill' }), await api.getCount({ emailAddress: ['bcrypt@example.com'] })], [1, 1], 'counts')
  })

  await step('an update changes what it names and nothing else', async () => {
    const before = await api.getUser(people.ada)
    await sleep(2) // times are milliseconds
    const after = await api.updateUser(people.ada, { firstName: 'Adele', publicMetadata: { role: 'editor' } })
    assertSame([after.firstName, after.lastName, after.publicMetadata, after.privateMetadata, after.externalId], ['Adele', 'Quill', { role: 'editor' }, { note: 'só' }, 'row-1'], 'user')
    assert(after.updatedAt > before.updatedAt, 'updated_at moves')
    assertSame(after.createdAt, before.createdAt, 'created_at stays')
    await refused(api.updateUser(people.bcrypt, { externalId: 'row-1' }), 422, 'form_identifier_exists', 'external_id')
  })

  await step('metadata is merged to its depth, and null takes a key away', async () => {
    const after = await api.updateUserMetadata(people.ada, { publicMetadata: { plan: { name: 'pro', seats: 3 } }, privateMetadata: { note: null, key: 1 } })
    assertSame([after.publicMetadata, after.privateMetadata, after.unsafeMetadata], [{ role: 'editor', plan: { name: 'pro', seats: 3 } }, { key: 1 }, { theme: 'dark' }], 'first')
    const again = await api.updateUserMetadata(people.ada, { publicMetadata: { plan: { seats: null, until: [2027] } } })
    assertSame(again.publicMetadata, { role: 'editor', plan: { name: 'pro', until: [2027] } }, 'second')
    const text = '9007199254740993'
    assertSame((await api.updateUserMetadata(people.ada, { unsafeMetadata: { big: text, 'é"\\': '\u2028' } })).unsafeMetadata, { theme: 'dark', big: text, 'é"\\': '\u2028' }, 'texts')
  })

  await step('another password: the one before is no longer right', async () => {
    await api.updateUser(people.ada, { password: 'other-horse-10' })
    assertSame(await api.verifyPassword({ userId: people.ada, password: 'other-horse-10' }), { verified: true }, 'new')
    await refused(api.verifyPassword({ userId: people.ada, password: PASSWORD }), 422, 'incorrect_password')
  })

  await step('a user can be banned and locked, and freed of both', async () => {
    assertSame([(await api.banUser(people.bcrypt)).banned, (await api.getUser(people.bcrypt)).banned, (await api.unbanUser(people.bcrypt)).banned], [true, true, false], 'ban')
    assertSame([(await api.lockUser(people.bcrypt)).locked, (await api.getUser(people.bcrypt)).locked, (await api.unlockUser(people.bcrypt)).locked], [true, true, false], 'lock')
  })

  await step('addresses: added, verified, made the first, taken away', async () => {
    const { emailAddresses: addresses } = clerk
    const made = await addresses.createEmailAddress({ userId: people.ada, emailAddress: 'Second@example.com', verified: false })
    isId(made.id, 'idn')
    assertSame([made.emailAddress, made.verification?.status ?? 'unverified'], ['second@example.com', 'unverified'], 'made')
    assertSame((await addresses.getEmailAddress(made.id)).emailAddress, 'second@example.com', 'read')
    const first = (await api.getUser(people.ada)).primaryEmailAddressId
    assertSame((await addresses.updateEmailAddress(made.id, { verified: true, primary: true })).verification.status, 'verified', 'updated')
    const user = await api.getUser(people.ada)
    assertSame([user.primaryEmailAddressId, user.primaryEmailAddress.emailAddress, user.emailAddresses.length], [made.id, 'second@example.com', 2], 'user')
    assertSame(await ids({ emailAddress: ['second@example.com'] }), [people.ada], 'found by it')
    await refused(addresses.createEmailAddress({ userId: people.bcrypt, emailAddress: 'second@example.com' }), 422, 'form_identifier_exists', 'email_address')
    const gone = await addresses.deleteEmailAddress(first)
    assertSame([gone.id, gone.deleted], [first, true], 'deleted')
    await refused(addresses.getEmailAddress(first), 404, 'resource_not_found')
    assertSame((await api.getUser(people.ada)).emailAddresses.map((e) => e.emailAddress), ['second@example.com'], 'what is left')
    await api.createUser({ emailAddress: ['ada@example.com'], password: PASSWORD }).then(({ id }) => api.deleteUser(id)) // free again
  })

  await step('a deleted user is gone, and the address free', async () => {
    const gone = await api.deleteUser(people.argon2id)
    assertSame([gone.id, gone.deleted], [people.argon2id, true], 'answer')
    await refused(api.getUser(people.argon2id), 404, 'resource_not_found')
    await refused(api.deleteUser(people.argon2id), 404, 'resource_not_found')
    assertSame(await api.getCount(), 3, 'count')
  })

  await step('the other build has none of them', async () => {
    const other = client(two.env)
    assertSame(await other.users.getCount(), 0, 'count')
    await refused(other.users.getUser(people.ada), 404, 'resource_not_found')
    await refused(other.users.updateUser(people.ada, { firstName: 'Eve' }), 404, 'resource_not_found')
    await refused(other.users.deleteUser(people.ada), 404, 'resource_not_found')
    assertSame((await api.getUser(people.ada)).firstName, 'Adele', 'as it was')
  })
}
