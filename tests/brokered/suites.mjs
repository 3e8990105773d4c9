// Which suites run on a vendor, and what is not the same there, by name and with the reason.
const POOL = 'all builds of one instance have one pool of users',
  INSTANCE = 'it is the instance that is described, not the build',
  FILES = "snapshots and the record of the schema's changes are kept of databases in files of the build only"

export const SUITES = [
  { name: 'e2e', services: 'database', but: [] },
  {
    name: 'drizzle',
    services: 'database',
    but: [
      { title: /^what changed the schema is recorded, and only that/, why: FILES },
    ],
  },
  {
    name: 'clerkbackend',
    services: 'auth',
    but: [
      { title: /the other build has none of them/, why: POOL },
      { title: /its token verifies with others' library/, why: INSTANCE },
      { title: /the key set is the same everywhere/, why: INSTANCE },
      { title: /verifyToken and authenticateRequest/, why: POOL },
      { title: /instance and domains describe the build/, why: INSTANCE },
      { title: /a handshake's nonce is good once/, why: POOL },
    ],
  },
]
