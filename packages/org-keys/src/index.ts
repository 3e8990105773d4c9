import { ensureBuild } from "../../shared/admin-client.js";
import { ValetkeyError } from "../../shared/errors.js";
import { readSettings } from "../../shared/settings.js";
import type { OrgKeyConfig } from "./types.js";

export { ValetkeyError };
export type { OrgKeyConfig };

/**
 * The environment variables of a build: keys that open this build's own resources only, issued by the daemon. Creates the build
 * when there is none; asking again gives the same. Rejects with a ValetkeyError.
 */
export async function getEnvVarsForBuild(buildId: string, config?: OrgKeyConfig): Promise<Record<string, string>> {
  if (config !== undefined)
    throw new ValetkeyError("not_supported", "This version of valetkey takes no organisation keys, so `config` is refused; nothing of it was used or sent.", 0,
      "Call getEnvVarsForBuild(buildId) alone.");
  return ensureBuild(await readSettings(), buildId);
}
