// One request to a host that somebody typed, behind the guard of key-guard.ts: https and port 443 only. The host is resolved once, every
// address is looked at, and one that is refused refuses the call; only what was looked at is dialled. Redirects are answers like
// others. No proxy, no cookies, no connection that is used twice. Certificates are checked whatever the environment says.
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import http from "node:http";
import { connect, type Socket } from "node:net";
import { connect as secureConnect, type TLSSocket } from "node:tls";
import { addressRefused, parseTarget, type Target } from "./key-guard";
import type { NoAnswer } from "./key-rules";

export type Ask = { method: string; url: string; headers: Record<string, string>; body?: string };
/** Names of headers are in small letters. */
export type Answered = { status: number; headers: Record<string, string>; body: Uint8Array; code?: string };
export type Got = Answered | { none: NoAnswer };
export type Send = (ask: Ask) => Promise<Got>;
export type Address = { address: string; family: number };
export type Resolve = (host: string) => Promise<Address[]>;

export const ANSWER_WITHIN_MS = 10_000;
const CONNECT_WITHIN_MS = 5_000;
const HEAD_MAX = 16 * 1024;
const BODY_MAX = 1024 * 1024;
const ADDRESSES_MAX = 32;

export const resolveHost: Resolve = (host) => lookup(host, { all: true, order: "verbatim" });

/** Why a call has no answer. */
export class NotAnswered extends Error {
  constructor(readonly kind: NoAnswer) {
    super(kind);
    this.name = "NotAnswered";
  }
}

/** Where a checked address is dialled. Tests have another one; what is checked stays the same. */
export type Dial = (address: Address, port: number) => Socket;
export type SendOptions = { resolve?: Resolve; dial?: Dial; withinMs?: number; ca?: string };

export const dialDirectly: Dial = ({ address, family }, port) => connect({ host: address, port, family });

export function sender({ resolve = resolveHost, dial = dialDirectly, withinMs = ANSWER_WITHIN_MS, ca }: SendOptions = {}): Send {
  return (ask) =>
    answeredWithin(withinMs, async (deadline) => {
      const target = parseTarget(ask.url);
      if (!target) throw new NotAnswered("invalid");
      const addresses = await allowedAddresses(target, 443, resolve, deadline);
      const socket = await firstOf(addresses, target.port, dial, deadline);
      return exchange(ask, target, await secured(socket, target, deadline, ca), deadline);
    });
}

/** `work` has that much time for all of it; whatever goes wrong is a kind of no answer. */
export async function answeredWithin(ms: number, work: (deadline: AbortSignal) => Promise<Answered>): Promise<Got> {
  const clock = new AbortController();
  const timer = setTimeout(() => clock.abort(), ms);
  try {
    return await work(clock.signal);
  } catch (error) {
    return { none: clock.signal.aborted ? "timeout" : kindOf(error) };
  } finally {
    clearTimeout(timer);
  }
}

/** All of the host's addresses, each of which may be called. */
export async function allowedAddresses({ host, port, literal }: Target, onlyPort: number, resolve: Resolve, deadline: AbortSignal): Promise<Address[]> {
  if (port !== onlyPort) throw new NotAnswered("guard");
  const addresses = literal ? [{ address: host, family: host.includes(":") ? 6 : 4 }] : await before(deadline, resolve(host));
  if (addresses.length === 0) throw new NotAnswered("dns");
  if (addresses.length > ADDRESSES_MAX || addresses.some(({ address }) => addressRefused(address))) throw new NotAnswered("guard");
  return addresses;
}

/** A connection to the first address that takes one. */
export async function firstOf(addresses: Address[], port: number, dial: Dial, deadline: AbortSignal): Promise<Socket> {
  let last: unknown;
  for (const address of addresses) {
    const socket = dial(address, port);
    try {
      socket.setTimeout(CONNECT_WITHIN_MS, () => socket.destroy(new NotAnswered("timeout")));
      await before(deadline, once(socket, "connect"));
      socket.setTimeout(0);
      socket.on("error", ignore);
      return socket;
    } catch (error) {
      socket.destroy();
      if (deadline.aborted) throw error;
      last = error;
    }
  }
  throw last;
}

/** Whoever waits for the connection hears of its end in another way; without a listener it would end the app. */
function ignore(): void {}

async function secured(socket: Socket, { host, literal }: Target, deadline: AbortSignal, ca: string | undefined): Promise<TLSSocket> {
  const secure = secureConnect({ socket, host, ...(!literal && { servername: host }), ALPNProtocols: ["http/1.1"], rejectUnauthorized: true, ...(ca !== undefined && { ca }) });
  try {
    await before(deadline, once(secure, "secureConnect"));
    secure.on("error", ignore);
    return secure;
  } catch (error) {
    secure.destroy();
    throw deadline.aborted ? error : new NotAnswered("tls");
  }
}

function exchange(ask: Ask, { host, literal, path }: Target, socket: TLSSocket, signal: AbortSignal): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const body = ask.body === undefined ? undefined : Buffer.from(ask.body);
    const request = http.request({
      createConnection: () => socket,
      path: path.startsWith("/") ? path : `/${path}`,
      method: ask.method,
      headers: {
        host: literal && host.includes(":") ? `[${host}]` : host,
        accept: "*/*",
        "accept-encoding": "identity",
        "user-agent": "key-check",
        connection: "close",
        ...ask.headers,
        ...(body && { "content-length": body.byteLength }),
      },
      signal,
      maxHeaderSize: HEAD_MAX,
    });
    const fail = (error: unknown) => {
      socket.destroy();
      reject(error);
    };
    request.on("error", fail);
    request.on("upgrade", () => fail(new NotAnswered("unreachable")));
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("error", fail);
      response.on("data", (chunk: Buffer) => {
        size += chunk.byteLength;
        if (size > BODY_MAX) fail(new NotAnswered("too_large"));
        else chunks.push(chunk);
      });
      response.on("end", () => {
        const headers = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : (value ?? "")]));
        resolve({ status: response.statusCode ?? 0, headers, body: Buffer.concat(chunks) });
        socket.destroy();
      });
    });
    request.end(body);
  });
}

/** What `work` gives, or an error as soon as the time is over. */
export function before<T>(deadline: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new NotAnswered("timeout"));
    if (deadline.aborted) late();
    deadline.addEventListener("abort", late, { once: true });
    work.then(resolve, reject).finally(() => deadline.removeEventListener("abort", late));
  });
}

export function kindOf(error: unknown): NoAnswer {
  if (error instanceof NotAnswered) return error.kind;
  const code = String((error as { code?: unknown } | null)?.code ?? "");
  if (/^(ENOTFOUND|EAI_|ENODATA|ESERVFAIL)/.test(code)) return "dns";
  if (code === "HPE_HEADER_OVERFLOW") return "too_large";
  return code === "ETIMEDOUT" ? "timeout" : "unreachable";
}
