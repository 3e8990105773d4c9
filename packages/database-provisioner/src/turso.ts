import { ensureBuild } from "../../shared/admin-client.js";
import { ValetkeyError } from "../../shared/errors.js";
import { readSettings } from "../../shared/settings.js";

/** What `createClient({url, authToken: token})` of @libsql/client takes. */
export interface ProvisionedDatabase {
  url: string;
  token: string;
}

/**
 * The database of a build: its address, and a token that opens it and no other. Creates the build when there is none; asking
 * again gives the same. Rejects with a ValetkeyError.
 */
export async function provisionDatabase(buildId: string): Promise<ProvisionedDatabase> {
  const env = await ensureBuild(await readSettings(), buildId);
  const url = env["TURSO_DATABASE_URL"];
  const token = env["TURSO_AUTH_TOKEN"];
  if (!url || !token)
    throw new ValetkeyError("no_database", `Build ${buildId} has no libSQL database.`, 200, "Enable the database service in the daemon.");
  return { url, token };
}
