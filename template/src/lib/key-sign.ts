// Signature Version 4 for the calls to a storage, with the package that Amazon's own SDK signs with.
import { createHash, createHmac, type Hash, type Hmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";
import type { Ask } from "./key-send";

type Data = string | ArrayBuffer | ArrayBufferView;

class Sha256 {
  readonly #hash: Hash | Hmac;

  constructor(secret?: Data) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", bytesOf(secret));
  }

  update(data: Data): void {
    this.#hash.update(bytesOf(data));
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
}

function bytesOf(data: Data): Uint8Array {
  if (typeof data === "string") return Buffer.from(data);
  return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
}

export type StorageKeys = { id: string; secret: string; region: string };

/** `ask` with the headers that make it a signed one. All of its headers are signed. */
export async function signed(ask: Ask, { id, secret, region }: StorageKeys, now: Date): Promise<Ask> {
  const url = new URL(ask.url);
  const signer = new SignatureV4({ credentials: { accessKeyId: id, secretAccessKey: secret }, region, service: "s3", sha256: Sha256, uriEscapePath: false });
  const request = {
    method: ask.method,
    protocol: url.protocol,
    hostname: url.hostname,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: { ...ask.headers, host: url.host },
    body: ask.body ?? "",
  };
  const { host: _, ...headers } = (await signer.sign(request, { signingDate: now })).headers;
  return { ...ask, headers };
}
