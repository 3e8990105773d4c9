// R2, played by s3rver, which is not ours. It does not look at signatures, so that is done here in front of it; and a key that may only read
// is one here. r2.mjs SETTINGS, a JSON file: { folder, bucket, port, origin, keys: { "<id>": { secret, readOnly? } } }
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const S3rver = require("s3rver");
const Account = require("s3rver/lib/models/account");

const { folder, bucket, port, origin, keys } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const owner = new Account(1, "owner");
for (const [id, { secret }] of Object.entries(keys)) owner.createKeyPair(id, secret);

const CORS = `<CORSConfiguration><CORSRule><AllowedOrigin>${origin}</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod><AllowedHeader>*</AllowedHeader></CORSRule></CORSConfiguration>`;
const s3 = new S3rver({ directory: folder, silent: true, vhostBuckets: false, configureBuckets: [{ name: bucket, configs: [CORS] }] });
await s3.configureBuckets();
const serve = s3.callback();

const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const encoded = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/** What the request says of itself, by header or by query; undefined: it is not signed. */
function claim(req, query) {
  const header = /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(req.headers.authorization ?? "");
  if (header) return { credential: header[1], signed: header[2], signature: header[3], time: req.headers["x-amz-date"], payload: req.headers["x-amz-content-sha256"] };
  if (query.get("X-Amz-Algorithm") !== "AWS4-HMAC-SHA256") return undefined;
  const [credential, signed, signature, time] = ["Credential", "SignedHeaders", "Signature", "Date"].map((name) => query.get(`X-Amz-${name}`) ?? "");
  return { credential, signed, signature, time, payload: query.get("X-Amz-Content-Sha256") ?? "UNSIGNED-PAYLOAD" };
}

/** The key id that signed it; an S3 error code otherwise. */
function judge(req) {
  const [path, search = ""] = req.url.split("?");
  const query = new URLSearchParams(search);
  const c = claim(req, query);
  if (!c) return { code: "AccessDenied" };
  const [id, day, region, ...rest] = c.credential.split("/");
  if (!Object.hasOwn(keys, id)) return { code: "InvalidAccessKeyId" };
  if (rest.join("/") !== "s3/aws4_request" || !["auto", "us-east-1", "wnam"].includes(region)) return { code: "InvalidRequest" };
  const pairs = [...query].filter(([name]) => name !== "X-Amz-Signature").map(([name, value]) => `${encoded(name)}=${encoded(value)}`).sort();
  const headers = c.signed.split(";").map((name) => `${name}:${String(req.headers[name] ?? "").trim().replace(/ +/g, " ")}`);
  const canonical = [req.method, path, pairs.join("&"), ...headers, "", c.signed, c.payload].join("\n");
  const key = [day, region, "s3", "aws4_request"].reduce(hmac, `AWS4${keys[id].secret}`);
  const right = createHmac("sha256", key).update(`AWS4-HMAC-SHA256\n${c.time}\n${day}/${region}/s3/aws4_request\n${sha256(canonical)}`).digest("hex");
  const same = right.length === c.signature.length && timingSafeEqual(Buffer.from(right), Buffer.from(c.signature));
  return same ? { id } : { code: "SignatureDoesNotMatch" };
}

http
  .createServer((req, res) => {
    let { id, code } = req.method === "OPTIONS" ? {} : judge(req);
    if (id && keys[id].readOnly && !["GET", "HEAD"].includes(req.method)) code = "AccessDenied";
    if (!code) return serve(req, res);
    const text = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`;
    res.writeHead(code === "InvalidRequest" ? 400 : 403, { "Content-Type": "application/xml", "Access-Control-Allow-Origin": origin });
    res.end(req.method === "HEAD" ? undefined : text);
  })
  .listen(port, "127.0.0.1", () => console.log("ready"));
