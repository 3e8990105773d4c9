// What plays the vendors is asked by the vendors' own clients, unmodified and with nothing but keys: each finds what it expects, by its vendor's name.
import { createRequire } from "node:module";
import path from "node:path";
import { request, root } from "../lib/daemon.mjs";
import { assert, assertSame, check } from "../lib/tap.mjs";
import { APP, HOSTS, SLUG } from "./street.mjs";

process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";
const require = createRequire(path.join(root, "template", "package.json"));

export async function satisfiesClients({ own, reader }) {
  await check("nothing of the owner's keys, nor of an answer, tells that these are not the vendors", async () => {
    const { CLERK_SECRET_KEY: clerk } = own.clerk;
    const { STRIPE_SECRET_KEY: secret, NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY: publishable, STRIPE_WEBHOOK_SECRET: webhook } = own.stripe;
    assert(/^sk_test_[0-9A-Za-z]{42}$/.test(clerk) && /^sk_test_51[0-9A-Za-z]{97}$/.test(secret) && /^pk_test_51[0-9A-Za-z]{97}$/.test(publishable) && /^whsec_[0-9A-Za-z]{32}$/.test(webhook), "shapes");
    assertSame([publishable.slice(9, 25), publishable.slice(25) === secret.slice(25)], [secret.slice(9, 25), false], "one account, two keys");
    for (const [host, token] of [[HOSTS.clerkApi, clerk], [HOSTS.clerk, ""], [HOSTS.stripe, secret], [HOSTS.checkout, ""], [HOSTS.database, own.database.TURSO_AUTH_TOKEN], [HOSTS.storage, ""]])
      for (const target of ["/", "/v1/instance", "/v1/environment", "/v1/balance", "/.well-known/jwks.json", "/health", "/v2/pipeline", "/assets/pay.css"]) {
        const { headers } = await request(`https://${host}${target}`, { headers: token ? { Authorization: `Bearer ${token}` } : {} });
        assertSame(Object.keys(headers).filter((name) => /valet/.test(name)), [], `${host}${target}`);
      }
  });
  await check("Clerk's own client finds the application, and nobody in it", async () => {
    const { createClerkClient } = require("@clerk/backend");
    const clerk = createClerkClient({ secretKey: own.clerk.CLERK_SECRET_KEY, publishableKey: own.clerk.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY, telemetry: { disabled: true } });
    assertSame([(await clerk.instance.get()).environmentType, await clerk.users.getCount()], ["development", 0], "instance");
    assertSame((await clerk.domains.list()).data.map((one) => one.frontendApiUrl), [`https://${SLUG}.clerk.accounts.dev`], "domains");
  });
  await check("Stripe's own client finds the account, and may make and take away a webhook", async () => {
    const stripe = new (require("stripe"))(own.stripe.STRIPE_SECRET_KEY, { telemetry: false });
    assertSame([(await stripe.balance.retrieve()).livemode, (await stripe.checkout.sessions.list({ limit: 1 })).data], [false, []], "account");
    const hook = await stripe.webhookEndpoints.create({ url: `${APP}/made-up`, enabled_events: ["charge.refunded"] });
    assert(/^whsec_/.test(hook.secret), "its secret");
    assertSame((await stripe.webhookEndpoints.del(hook.id)).deleted, true, "taken away");
    const refused = await stripe.checkout.sessions.create({}).catch((e) => e);
    assertSame([refused.statusCode, refused.code], [400, "parameter_missing"], "a session without anything");
  });
  await check("Turso's own client reads and writes by its libsql:// address", async () => {
    const client = require("@libsql/client").createClient({ url: own.database.TURSO_DATABASE_URL, authToken: own.database.TURSO_AUTH_TOKEN });
    await client.batch(["CREATE TABLE made_up (a)", "INSERT INTO made_up VALUES (7)"], "write");
    assertSame((await client.execute("SELECT a FROM made_up")).rows.map(({ a }) => a), [7], "rows");
    await client.execute("DROP TABLE made_up");
    client.close();
  });
  await check("Amazon's own client finds the bucket at R2's address; a key that may only read does not write", async () => {
    const { GetObjectCommand, HeadBucketCommand, PutObjectCommand, DeleteObjectCommand, S3Client } = require("@aws-sdk/client-s3");
    const { R2_BUCKET: Bucket, R2_ACCESS_KEY_ID: accessKeyId, R2_SECRET_ACCESS_KEY: secretAccessKey } = own.storage;
    const client = (credentials) => new S3Client({ endpoint: `https://${HOSTS.storage}`, region: "auto", forcePathStyle: true, credentials });
    const [writer, only] = [client({ accessKeyId, secretAccessKey }), client({ accessKeyId: reader.id, secretAccessKey: reader.secret })];
    await writer.send(new HeadBucketCommand({ Bucket }));
    await writer.send(new PutObjectCommand({ Bucket, Key: "made-up", Body: "seven" }));
    assertSame(await (await only.send(new GetObjectCommand({ Bucket, Key: "made-up" }))).Body.transformToString(), "seven", "object");
    assertSame((await only.send(new PutObjectCommand({ Bucket, Key: "made-up", Body: "eight" })).catch((e) => e)).name, "AccessDenied", "written");
    await writer.send(new DeleteObjectCommand({ Bucket, Key: "made-up" }));
  });
}
