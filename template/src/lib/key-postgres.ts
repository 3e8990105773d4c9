// The write probe of a PostgreSQL database: a login over TLS behind the guard of key-guard.ts, and a table that is made and taken back.
import type { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { Client } from "pg";
import { allowedAddresses, answeredWithin, ANSWER_WITHIN_MS, before, dialDirectly, firstOf, NotAnswered, resolveHost, type Answered, type Ask, type Send, type SendOptions } from "./key-send";
import { parseTarget, type Target } from "./key-guard";

const PORT = 5432;
const MESSAGE_MAX = 64 * 1024;

/** `ask.url` is the address with its login, `ask.body` the statement that is taken back. Status 200, or 400 with the SQLSTATE as `code`. */
export function postgresSender({ resolve = resolveHost, dial = dialDirectly, withinMs = ANSWER_WITHIN_MS, ca }: SendOptions = {}): Send {
  return (ask) =>
    answeredWithin(withinMs, async (deadline) => {
      const url = new URL(ask.url);
      const target = targetOf(url);
      const login = loginOf(url);
      const addresses = await allowedAddresses(target, PORT, resolve, deadline);
      const socket = await firstOf(addresses, target.port, dial, deadline);
      return probe(ask, login, target, deadline, socket, ca);
    });
}

/** The host has to pass the same reader as one of https. */
function targetOf(url: URL): Target {
  const target = parseTarget(`https://${url.hostname}:${url.port || PORT}/`);
  if (!target) throw new NotAnswered("invalid");
  return target;
}

type Login = { user: string; password: string; database: string };

function loginOf({ username, password, pathname }: URL): Login {
  const login = { user: decoded(username), password: decoded(password), database: decoded(pathname.slice(1)) };
  if (login.user === "") throw new NotAnswered("invalid");
  return login;
}

async function probe(ask: Ask, { user, password, database }: Login, { host, port }: Target, deadline: AbortSignal, socket: Socket, ca: string | undefined): Promise<Answered> {
  // The package connects by itself; here it finds the connection that was made, and only names the host for the certificate.
  socket.connect = () => {
    queueMicrotask(() => socket.emit("connect"));
    return socket;
  };
  const client = new Client({
    stream: () => socket,
    host,
    port,
    user,
    // As a function: for an empty text the package would look into PGPASSWORD and ~/.pgpass, and tell the host what it finds.
    password: () => password,
    database,
    ssl: { rejectUnauthorized: true, ...(ca !== undefined && { ca }) },
    application_name: "key-check",
  });
  client.on("error", () => socket.destroy()); // what is under way fails by it
  const { connection } = client as unknown as { connection: EventEmitter & { stream: Socket } };
  connection.once("sslconnect", () => sieve(connection.stream, () => (tooLarge = true)));
  let tooLarge = false;
  try {
    await before(deadline, client.connect());
    await before(deadline, client.query("BEGIN"));
    await before(deadline, client.query(ask.body ?? ""));
    await before(deadline, client.query("ROLLBACK"));
    await before(deadline, client.end());
    return { status: 200, headers: {}, body: new Uint8Array() };
  } catch (error) {
    if (deadline.aborted) throw error;
    if (tooLarge) throw new NotAnswered("too_large");
    const { code, message } = error as { code?: unknown; message?: unknown };
    if (typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && "severity" in (error as object)) return { status: 400, headers: {}, body: new Uint8Array(), code };
    throw new NotAnswered(/^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO|SELF_SIGNED|DEPTH_ZERO|EPROTO)/.test(String(code)) || /\bSSL connection/.test(String(message)) ? "tls" : "unreachable");
  } finally {
    socket.destroy(); // also rolls back what is still open
  }
}

/** Hands the package whole messages only, of the kinds that a login and three statements have: at others it throws where nobody
 * catches, or looks for their end for ever. What is none ends the connection. */
function sieve(stream: Socket, large: () => void): void {
  const emit = stream.emit.bind(stream) as (event: string | symbol, ...more: unknown[]) => boolean;
  let held: Buffer = Buffer.alloc(0);
  const take = (chunk: Buffer): void => {
    held = Buffer.concat([held, chunk]);
    while (held.length >= 5 && !stream.destroyed) {
      const size = 1 + held.readUInt32BE(1);
      if (size > MESSAGE_MAX) {
        large();
        throw new NotAnswered("too_large");
      }
      if (size < 5) throw new NotAnswered("unreachable");
      if (held.length < size) return;
      const message = Buffer.from(held.subarray(0, size));
      held = held.subarray(size);
      if (!isMessage(String.fromCharCode(message[0]!), message.subarray(5))) throw new NotAnswered("unreachable");
      emit("data", message);
    }
  };
  stream.emit = (event: string | symbol, ...more: unknown[]) => {
    try {
      if (event !== "data") return emit(event, ...more);
      take(more[0] as Buffer);
    } catch {
      stream.destroy();
    }
    return true;
  };
}

/** Whether every text in it ends inside of it. */
function isMessage(type: string, body: Buffer): boolean {
  switch (type) {
    case "R": {
      const kind = body.length >= 4 ? body.readUInt32BE(0) : -1;
      return kind === 10 ? body.length > 5 && body.at(-1) === 0 && body.at(-2) === 0 : kind === 5 ? body.length === 8 : [0, 3, 11, 12].includes(kind);
    }
    case "S":
      return body.indexOf(0) < body.length - 1 && body.at(-1) === 0;
    case "K":
      return body.length === 8;
    case "Z":
      return body.length === 1;
    case "C":
      return body.at(-1) === 0;
    case "E":
    case "N":
      return isFields(body);
    default:
      return false;
  }
}

/** A letter and a text, again and again, and a zero byte. */
function isFields(body: Buffer): boolean {
  let at = 0;
  while (at < body.length && body[at] !== 0) {
    const end = body.indexOf(0, at + 1);
    if (end < 0) return false;
    at = end + 1;
  }
  return at === body.length - 1;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new NotAnswered("invalid");
  }
}
