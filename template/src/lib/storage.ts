// The storage of this app: S3's protocol, at the address and with the keys that `cfg` names now. The keys stay on the server;
// the browser gets addresses that are signed for one object, one method and a few minutes.
import "server-only";
import { DeleteObjectCommand, GetObjectCommand, HeadObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { cfg, cfgSource } from "./config";
import { contentDisposition } from "./file-names";
import { quietLog } from "./log";
import { describeStorageError, isMissingObject, storageError, toStorageError } from "./storage-error";

const UPLOAD_WITHIN_S = 300;
const DOWNLOAD_WITHIN_S = 60;

const log = quietLog("storage");

type Opened = { stamp: string; bucket: string; server: S3Client; browser: S3Client };

let opened: Opened | undefined;

export function storageIsSet(): boolean {
  return address() !== undefined && [cfg("R2_BUCKET"), cfg("R2_ACCESS_KEY_ID"), cfg("R2_SECRET_ACCESS_KEY")].every(Boolean);
}

/** Differs whenever the storage that `cfg` names is another one, or its keys are. Not to be shown: the keys are in it. */
export function storageStamp(): string {
  return JSON.stringify(["R2_ACCOUNT_ID", "R2_ENDPOINT", "R2_BUCKET", "R2_PREFIX", "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY", "R2_SESSION_TOKEN"].map(cfg));
}

/** What every key of this app begins with: the part of the bucket that is its own. Empty, or with a slash at its end. */
export function keyPrefix(): string {
  return cfg("R2_PREFIX") ?? "";
}

/** An address that takes one PUT of exactly this type and size: both are signed, so a browser can send nothing else to it. */
export async function uploadUrl(key: string, contentType: string, size: number): Promise<string> {
  return withStorage(({ browser, bucket }) =>
    getSignedUrl(browser, new PutObjectCommand({ Bucket: bucket, Key: key, ContentType: contentType, ContentLength: size }), {
      expiresIn: UPLOAD_WITHIN_S,
      signableHeaders: new Set(["host", "content-type", "content-length"]),
    }),
  );
}

/** An address that gives the object once it is asked for, saved under `name`, never shown as a page. */
export async function downloadUrl(key: string, contentType: string, name: string): Promise<string> {
  return withStorage(({ browser, bucket }) => {
    const object = { Bucket: bucket, Key: key, ResponseContentType: contentType, ResponseContentDisposition: contentDisposition(name) };
    return getSignedUrl(browser, new GetObjectCommand(object), { expiresIn: DOWNLOAD_WITHIN_S });
  });
}

export async function putObject(key: string, contentType: string, body: Uint8Array): Promise<void> {
  await withStorage(({ server, bucket }) => server.send(new PutObjectCommand({ Bucket: bucket, Key: key, ContentType: contentType, Body: body })));
}

/** null: nothing is there. */
export async function objectSize(key: string): Promise<number | null> {
  return withStorage(async ({ server, bucket }) => {
    try {
      return (await server.send(new HeadObjectCommand({ Bucket: bucket, Key: key }))).ContentLength ?? 0;
    } catch (error) {
      if (isMissingObject(error)) return null;
      throw error;
    }
  });
}

/** Also fine when nothing is there. */
export async function removeObject(key: string): Promise<void> {
  await withStorage(({ server, bucket }) => server.send(new DeleteObjectCommand({ Bucket: bucket, Key: key })));
}

/** Every failure becomes a StorageError and is logged without secrets. */
async function withStorage<T>(use: (storage: Opened) => Promise<T>): Promise<T> {
  try {
    return await use(open());
  } catch (error) {
    const wrapped = toStorageError(error);
    log(`${wrapped.code}: ${describeStorageError(wrapped.cause ?? wrapped)}`);
    throw wrapped;
  }
}

function open(): Opened {
  const endpoint = address();
  const bucket = cfg("R2_BUCKET");
  const accessKeyId = cfg("R2_ACCESS_KEY_ID");
  const secretAccessKey = cfg("R2_SECRET_ACCESS_KEY");
  if (!endpoint || !bucket || !accessKeyId || !secretAccessKey) throw storageError("storage_not_set");
  const region = cfg("AWS_REGION") ?? "auto";
  const forBrowsers = browserAddress() ?? endpoint;
  const token = sessionToken();
  const stamp = JSON.stringify([endpoint, forBrowsers, bucket, region, accessKeyId, secretAccessKey, token]);
  if (opened?.stamp === stamp) return opened;
  const client = (at: string) =>
    new S3Client({
      endpoint: at,
      region,
      credentials: { accessKeyId, secretAccessKey, ...(token && { sessionToken: token }) },
      forcePathStyle: true,
      // Otherwise an address for a PUT carries the checksum of an empty body.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      maxAttempts: 2,
      requestHandler: { connectionTimeout: 3_000, requestTimeout: 10_000 },
    });
  const server = client(endpoint);
  // The former clients may have requests under way; what they keep open closes by itself.
  opened = { stamp, bucket, server, browser: forBrowsers === endpoint ? server : client(forBrowsers) };
  return opened;
}

/** R2_ENDPOINT, or R2's own address for the account. */
function address(): string | undefined {
  const account = cfg("R2_ACCOUNT_ID");
  return cfg("R2_ENDPOINT") ?? (account && `https://${account}.r2.cloudflarestorage.com`);
}

/** Where browsers reach the storage, when that differs. It belongs to R2_ENDPOINT: once one of the two was replaced, the other
 * is another storage's. */
function browserAddress(): string | undefined {
  return cfgSource("R2_BROWSER_ENDPOINT") === cfgSource("R2_ENDPOINT") ? cfg("R2_BROWSER_ENDPOINT") : undefined;
}

/** A temporary credential's third part. It belongs to the secret that it came with, as above. */
function sessionToken(): string | undefined {
  return cfgSource("R2_SESSION_TOKEN") === cfgSource("R2_SECRET_ACCESS_KEY") ? cfg("R2_SESSION_TOKEN") : undefined;
}
