// Puts the owner's keys into the settings of a host, by the host's API: names are compared first, and nothing is changed until that was
// asked for. The token is the owner's for that host; it is used here and kept nowhere, and no answer and no log has it.
import { z } from "zod";
import { HttpError } from "./http";
import type { OwnVariable } from "./settings-export";
import type { HostAnswer } from "./settings-types";

const ANSWER_WITHIN_MS = 15_000;
const ANSWER_MAX = 1024 * 1024;
const PRODUCTION = "production";

export const hostAsk = z.strictObject({
  host: z.enum(["vercel", "netlify"]),
  token: z.string().regex(/^[\x21-\x7e]{8,512}$/),
  project: z.string().regex(/^(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$/),
  team: z.string().regex(/^(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$/).optional(),
  dryRun: z.boolean().default(true),
});
type Ask = z.infer<typeof hostAsk>;
type Plan = HostAnswer["plan"];
export type Variables = { set: readonly OwnVariable[]; clear: readonly string[] };

/** One request to the host's API. `status` 0: no answer. */
export type Send = (method: string, path: string, body?: unknown) => Promise<{ status: number; body: unknown }>;

type Adapter = {
  /** Name -> id of what is set for production now. */
  list: () => Promise<Map<string, string>>;
  put: (variables: readonly (OwnVariable & { there: boolean })[]) => Promise<void>;
  remove: (name: string, id: string) => Promise<void>;
};

/** What would change, and whether it was changed. HttpError says what the host did not want. */
export async function pushToHost(ask: Ask, { set, clear }: Variables, send: Send = sender(ask)): Promise<HostAnswer> {
  const adapter = ask.host === "vercel" ? vercel(ask, send) : await netlify(ask, send);
  const there = await adapter.list();
  const plan: Plan = [
    ...set.map(({ name }) => ({ name, action: there.has(name) ? ("replace" as const) : ("add" as const) })),
    ...clear.filter((name) => there.has(name)).map((name) => ({ name, action: "remove" as const })),
  ];
  if (ask.dryRun) return { plan, applied: false };
  await adapter.put(set.map((one) => ({ ...one, there: there.has(one.name) })));
  for (const { name, action } of plan) if (action === "remove") await adapter.remove(name, there.get(name)!);
  const now = await adapter.list();
  const wrong = plan.filter(({ name, action }) => now.has(name) === (action === "remove")).map(({ name }) => name);
  if (wrong.length > 0) throw new HttpError(502, "host_partly", `The host took part of it only; look there at ${wrong.join(", ")}.`);
  return { plan, applied: true };
}

// ---- Vercel: https://vercel.com/docs/rest-api, environment variables of a project

const vercelList = z.object({ envs: z.array(z.object({ id: z.string(), key: z.string(), target: z.union([z.string(), z.array(z.string())]).optional() })) });
const vercelMade = z.object({ failed: z.array(z.object({ error: z.object({ key: z.string().optional() }).optional() })).optional() });

function vercel({ project, team }: Ask, send: Send): Adapter {
  const query = (more = "") => (team || more ? `?${[more, team && `teamId=${encodeURIComponent(team)}`].filter(Boolean).join("&")}` : "");
  const at = `/projects/${encodeURIComponent(project)}/env`;
  return {
    list: async () => {
      const { envs } = understood(vercelList, await send("GET", `/v10${at}${query()}`));
      return new Map(envs.filter(({ target }) => target === undefined || [target].flat().includes(PRODUCTION)).map(({ key, id }) => [key, id]));
    },
    put: async (variables) => {
      const body = variables.map(({ name, value, secret }) => ({ key: name, value, type: secret ? "sensitive" : "encrypted", target: [PRODUCTION] }));
      const { failed = [] } = understood(vercelMade, await send("POST", `/v10${at}${query("upsert=true")}`, body));
      const names = failed.map(({ error }) => error?.key ?? "a variable");
      if (names.length > 0) throw new HttpError(502, "host_partly", `Vercel did not take ${names.join(", ")}.`);
    },
    remove: async (_, id) => void succeeded(await send("DELETE", `/v9${at}/${encodeURIComponent(id)}${query()}`)),
  };
}

// ---- Netlify: https://open-api.netlify.com, environment variables of an account

const netlifySite = z.object({ account_id: z.string().optional(), account_slug: z.string().optional() });
const netlifyList = z.array(z.object({ key: z.string(), values: z.array(z.object({ context: z.string().optional() })).optional() }));

async function netlify({ project, team }: Ask, send: Send): Promise<Adapter> {
  const site = understood(netlifySite, await send("GET", `/api/v1/sites/${encodeURIComponent(project)}`));
  const account = team ?? site.account_id ?? site.account_slug;
  if (!account) throw new HttpError(502, "host_answer", "Netlify did not say whose site that is; type the team.");
  const at = (name?: string) => `/api/v1/accounts/${encodeURIComponent(account)}/env${name === undefined ? "" : `/${encodeURIComponent(name)}`}?site_id=${encodeURIComponent(project)}`;
  const entry = ({ name, value, secret }: OwnVariable) => ({
    key: name,
    values: [{ context: PRODUCTION, value }],
    is_secret: secret,
    ...(secret && { scopes: ["builds", "functions", "runtime"] }), // a secret one may not go to what is done to finished pages
  });
  return {
    list: async () => {
      const all = understood(netlifyList, await send("GET", at()));
      const counts = (context: string | undefined) => context === undefined || context === "all" || context === PRODUCTION;
      return new Map(all.filter(({ values }) => !values || values.some(({ context }) => counts(context))).map(({ key }) => [key, key]));
    },
    put: async (variables) => {
      const fresh = variables.filter(({ there }) => !there);
      if (fresh.length > 0) succeeded(await send("POST", at(), fresh.map(entry)));
      for (const one of variables) if (one.there) succeeded(await send("PUT", at(one.name), entry(one)));
    },
    remove: async (name) => void succeeded(await send("DELETE", at(name))),
  };
}

// ---- answers

function succeeded(answer: { status: number; body: unknown }): unknown {
  const { status, body } = answer;
  if (status >= 200 && status < 300) return body;
  if (status === 0) throw new HttpError(503, "host_unreachable", "The host's API does not answer. Try again in a moment.");
  if (status === 401 || status === 403) throw new HttpError(422, "host_refused", "The host refused the token for this project. Make one that may change its environment variables.");
  if (status === 404) throw new HttpError(422, "host_not_found", "The host knows no such project with this token. Look at the project, and the team.");
  if (status === 429) throw new HttpError(503, "host_busy", "The host wants to be asked less often. Wait a minute, then look what is there.");
  throw new HttpError(502, "host_answer", `The host answered ${status}. What was changed until then stays; look there.`);
}

function understood<S extends z.ZodType>(schema: S, answer: { status: number; body: unknown }): z.infer<S> {
  const result = schema.safeParse(succeeded(answer));
  if (!result.success) throw new HttpError(502, "host_answer", "The host's answer is not what its documents say.");
  return result.data;
}

const BASES = { vercel: "https://api.vercel.com", netlify: "https://api.netlify.com" };

function sender({ host, token }: Ask): Send {
  return async (method, path, body) => {
    try {
      const response = await fetch(BASES[host] + path, {
        method,
        headers: { authorization: `Bearer ${token}`, accept: "application/json", ...(body !== undefined && { "content-type": "application/json" }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        cache: "no-store",
        redirect: "error",
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
      return { status: response.status, body: await readJsonAnswer(response) };
    } catch {
      return { status: 0, body: null };
    }
  };
}

/** null for what is no JSON. */
async function readJsonAnswer(response: Response): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > ANSWER_MAX) throw new Error("too large");
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    return null;
  }
}
