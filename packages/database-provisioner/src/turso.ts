import { ensureBuild } from "../../shared/admin-client.js";
import { ValetkeyError } from "../../shared/errors.js";
import type { BuildOptions } from "../../shared/provision-types.js";
import { readSettings } from "../../shared/settings.js";

/** What `createClient({url, authToken: token})` of @libsql/client takes. */
export interface ProvisionedDatabase {
  url: string;
  token: string;
}

export interface DatabaseOptions extends Pick<BuildOptions, "onProgress" | "signal"> {
  /** By whom the database of a new build is provided; left out: as the daemon's settings say. */
  driver?: "embedded" | "turso";
  /** With "turso": through valetkey, or by Turso's own token of this database, which ends and is fetched anew by asking again. */
  delivery?: "gateway" | "direct";
}

/**
 * The database of a build: its address, and a token that opens it and no other. Creates the build when there is none, and waits
 * for a database that is made at Turso; asking again gives the same. Rejects with a ValetkeyError.
 */
export async function provisionDatabase(buildId: string, options: DatabaseOptions = {}): Promise<ProvisionedDatabase> {
  const { driver, delivery, ...rest } = options;
  const drivers = driver === undefined ? {} : { drivers: { database: { driver, ...(delivery === undefined ? {} : { delivery }) } } };
  const env = await ensureBuild(await readSettings(), buildId, { ...rest, ...drivers });
  const url = env["TURSO_DATABASE_URL"];
  const token = env["TURSO_AUTH_TOKEN"];
  if (!url || !token)
    throw new ValetkeyError("no_database", `Build ${buildId} has no libSQL database.`, 200, "Enable the database service in the daemon.");
  return { url, token };
}
