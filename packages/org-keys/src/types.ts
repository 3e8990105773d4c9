/** An organisation's own vendor keys. They belong into the daemon's vault, never into a build: no field of this ever appears
 * in a result, an error or a log of this package. */
export interface OrgKeyConfig {
  clerk: { publishableKey: string; secretKey: string };
  turso: { orgToken: string; createDatabaseEndpoint: string };
  r2: { accessKeyId: string; secretAccessKey: string; bucket: string; endpoint: string };
  stripe: { publishableKey: string; secretKey: string };
}
