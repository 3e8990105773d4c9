// The package of this folder, as an app imports it.
export { createClient, LibsqlError } from '@libsql/client'
