import { checkBuildId, ensureBuild } from "../../shared/admin-client.js";
import { ValetkeyError } from "../../shared/errors.js";
import type { BuildOptions, ProvisionProgress } from "../../shared/provision-types.js";
import { readSettings } from "../../shared/settings.js";
import { putConfig } from "./config.js";
import type { OrgKeyConfig } from "./types.js";

export { ValetkeyError };
export type { BuildOptions, OrgKeyConfig, ProvisionProgress };

/**
 * The environment variables of a build: keys that open this build's own resources only, issued by the daemon. Creates the build
 * when there is none; asking again gives the same. With `config`, an organisation's own keys are put into the daemon's vault first, when
 * they are others than those that are there: sealed here, so that only the process that uses them can read them. Which builds are served
 * with them the daemon's settings decide (`serve --driver`, `build use`), or `options.drivers` for a build that is made. What is made at
 * vendors for the build is waited for. Rejects with a ValetkeyError.
 */
export async function getEnvVarsForBuild(buildId: string, config?: OrgKeyConfig, options?: BuildOptions): Promise<Record<string, string>> {
  checkBuildId(buildId);
  const settings = await readSettings();
  if (config !== undefined) await putConfig(settings, config);
  return ensureBuild(settings, buildId, options);
}
