// The write probe of a PostgreSQL database: a login over TLS behind the guard of key-guard.ts, and a table that is made and taken back.
import type { Socket } from "node:net";
import { Client } from "pg";
import { allowedAddresses, answeredWithin, ANSWER_WITHIN_MS, before, dialDirectly, firstOf, NotAnswered, resolveHost, type Answered, type Ask, type Send, type SendOptions } from "./key-send";
import { parseTarget, type Target } from "./key-guard";

const PORT = 5432;

/** `ask.url` is the address with its login, `ask.body` the statement that is taken back. Status 200, or 400 with the SQLSTATE as `code`. */
export function postgresSender({ resolve = resolveHost, dial = dialDirectly, withinMs = ANSWER_WITHIN_MS, ca }: SendOptions = {}): Send {
  return (ask) =>
    answeredWithin(withinMs, async (deadline) => {
      const url = new URL(ask.url);
      const target = targetOf(url);
      const addresses = await allowedAddresses(target, PORT, resolve, deadline);
      const socket = await firstOf(addresses, target.port, dial, deadline);
      return probe(ask, url, target, deadline, socket, ca);
    });
}

/** The host has to pass the same reader as one of https. */
function targetOf(url: URL): Target {
  const target = parseTarget(`https://${url.hostname}:${url.port || PORT}/`);
  if (!target) throw new NotAnswered("invalid");
  return target;
}

async function probe(ask: Ask, url: URL, { host, port }: Target, deadline: AbortSignal, socket: Socket, ca: string | undefined): Promise<Answered> {
  // The package connects by itself; here it finds the connection that was made, and only names the host for the certificate.
  socket.connect = () => {
    queueMicrotask(() => socket.emit("connect"));
    return socket;
  };
  const client = new Client({
    stream: () => socket,
    host,
    port,
    user: decoded(url.username),
    password: decoded(url.password),
    database: decoded(url.pathname.slice(1)),
    ssl: { rejectUnauthorized: true, ...(ca !== undefined && { ca }) },
    application_name: "key-check",
  });
  client.on("error", () => socket.destroy()); // what is under way fails by it
  try {
    await before(deadline, client.connect());
    await before(deadline, client.query("BEGIN"));
    await before(deadline, client.query(ask.body ?? ""));
    await before(deadline, client.query("ROLLBACK"));
    await before(deadline, client.end());
    return { status: 200, headers: {}, body: new Uint8Array() };
  } catch (error) {
    if (deadline.aborted) throw error;
    const { code, message } = error as { code?: unknown; message?: unknown };
    if (typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && "severity" in (error as object)) return { status: 400, headers: {}, body: new Uint8Array(), code };
    throw new NotAnswered(/^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO|SELF_SIGNED|DEPTH_ZERO|EPROTO)/.test(String(code)) || /\bSSL connection/.test(String(message)) ? "tls" : "unreachable");
  } finally {
    socket.destroy(); // also rolls back what is still open
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new NotAnswered("invalid");
  }
}
