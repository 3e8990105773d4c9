// Where the daemon is and with which token: VALETKEY_URL, and VALETKEY_ADMIN_TOKEN or the file admin.token in the daemon's data
// folder (VALETKEY_DATA, else ./.valetkey). Read anew at each call.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { ValetkeyError } from "./errors.js";

const DEFAULT_URL = "http://127.0.0.1:4500";
const TOKEN_SHAPE = /^[\x21-\x7e]{8,512}$/;

export type Settings = { url: URL; token: string };

export async function readSettings(env: NodeJS.ProcessEnv = process.env): Promise<Settings> {
  return { url: parseUrl(env["VALETKEY_URL"] || DEFAULT_URL), token: await findToken(env) };
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol))
    throw new ValetkeyError("invalid", "VALETKEY_URL is not an http or https address.", 0, `Example: ${DEFAULT_URL}`);
  if (url.username !== "" || url.password !== "")
    throw new ValetkeyError("invalid", "VALETKEY_URL holds a user name or password.", 0, "Put the token in VALETKEY_ADMIN_TOKEN.");
  if (url.protocol === "http:" && !isLoopback(url.hostname))
    throw new ValetkeyError("invalid", `VALETKEY_URL sends the admin token to ${url.host} unencrypted.`, 0, "Use https, or a loopback address.");
  return url;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

async function findToken(env: NodeJS.ProcessEnv): Promise<string> {
  const given = env["VALETKEY_ADMIN_TOKEN"]?.trim();
  if (given) return checked(given, "VALETKEY_ADMIN_TOKEN");
  const file = path.join(env["VALETKEY_DATA"] || ".valetkey", "admin.token");
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === "ENOENT" ? "does not exist" : "cannot be read";
    throw new ValetkeyError("no_token", `No admin token: VALETKEY_ADMIN_TOKEN is not set and ${file} ${why}.`, 0,
      "Set VALETKEY_ADMIN_TOKEN, or VALETKEY_DATA to the daemon's data folder.");
  }
  return checked(text.trim(), file);
}

function checked(token: string, where: string): string {
  if (TOKEN_SHAPE.test(token)) return token;
  throw new ValetkeyError("no_token", `What ${where} holds is not an admin token.`, 0, "Copy it again from the daemon's admin.token.");
}
