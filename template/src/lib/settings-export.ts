// The owner's own keys as they leave the app: a file for the next host, or straight into a host's settings. A key of the build never
// leaves this way.
import "server-only";
import { randomBytes } from "node:crypto";
import { cfg } from "./config";
import { EnvFormatError, envFileOf, type EnvEntry, type EnvFormat } from "./env-dialects";
import { HttpError } from "./http";
import { KEY_RULES } from "./key-rules";
import { owner } from "./settings-session";
import { oursAmong, serviceKeys, SERVICES } from "./services";

export type OwnVariable = { name: string; value: string; secret: boolean };

/** All variables of the services that are on the owner's keys, and those that must not be there beside them. */
export function ownVariables(): { set: OwnVariable[]; clear: string[] } {
  const set: OwnVariable[] = [];
  const clear: string[] = [];
  for (const id of SERVICES) {
    if (serviceKeys(id) !== "your keys") continue;
    const { fields, clears } = KEY_RULES.services[id];
    clear.push(...clears);
    for (const { env, also, secret } of fields) {
      const value = cfg(env);
      if (value === undefined || oursAmong(id, { [env]: value }).length > 0) clear.push(env, ...also);
      else set.push(...[env, ...also].map((name) => ({ name, value, secret })));
    }
  }
  const user = owner();
  if (user !== undefined) set.push({ name: "SETTINGS_OWNER", value: user, secret: false });
  return { set, clear: clear.filter((name) => !set.some((one) => one.name === name)) };
}

/** `.env.production` in a dialect; HttpError when a value does not fit it. */
export function envFile(format: EnvFormat): string {
  const { set } = ownVariables();
  const entries: EnvEntry[] = [{ remark: "The keys of this app that are its owner's own. Secret: keep it out of the repository." }];
  for (const id of SERVICES) {
    const { name, fields } = KEY_RULES.services[id];
    const keys = serviceKeys(id);
    if (keys === "your keys") {
      const names = fields.flatMap(({ env, also }) => [env, ...also]);
      entries.push({ remark: name }, ...set.filter((one) => names.includes(one.name)));
      // The build's own one is not taken along; any other does.
      if (id === "clerk") entries.push({ name: "CLERK_ENCRYPTION_KEY", value: randomBytes(16).toString("hex") });
    } else {
      const names = fields.filter(({ optional }) => !optional).map(({ env }) => env);
      const why = keys === "build keys" ? "still on a build key, which ends with the build" : "not set";
      entries.push({ remark: `${name}: ${why}. Nothing is written for ${names.join(", ")}.` });
    }
  }
  if (owner() !== undefined) entries.push({ remark: "Who may use the settings page." }, { name: "SETTINGS_OWNER", value: owner()! });
  entries.push({ remark: "To save keys on the settings page there, too: SETTINGS_ENCRYPTION_KEY, 64 hex digits of your own. A .env.keys that moves along needs the one it has here." });
  try {
    return envFileOf(format, entries);
  } catch (error) {
    if (error instanceof EnvFormatError) throw new HttpError(422, "format", error.message);
    throw error;
  }
}
