// Headers that no SDK sends. They are nothing of a build's, so they go to where the code says.
const { R2_ACCOUNT_ID: account, R2_ACCESS_KEY_ID: id } = process.env
for (const [url, authorization] of [
  ['https://api.stripe.com/v1/balance', 'Basic %%%'],
  ['https://api.stripe.com/v1/balance', 'Basic'],
  [`https://${account}.r2.cloudflarestorage.com/a/b`, `AWS4-HMAC-SHA256 Credential=${id}/`],
  [`https://${account}.r2.cloudflarestorage.com/a/b`, `AWS4-HMAC-SHA256 Credential=${id}/20260101/auto/s3/aws4_request`],
])
  await fetch(url, { headers: { authorization } }).catch((e) => console.log(e.cause?.code ?? e.name))
