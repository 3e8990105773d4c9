"""Signed requests to the storage listener (Signature Version 4, header form), for the suites in Python."""
import datetime
import hashlib
import hmac
import http.client
import re
import urllib.parse


class S3:
    """A build's bucket, with the environment that the build got."""

    def __init__(self, env):
        self.id, self.secret, self.bucket = env['R2_ACCESS_KEY_ID'], env['R2_SECRET_ACCESS_KEY'], env['R2_BUCKET']
        self.host = urllib.parse.urlsplit(env['R2_ENDPOINT']).netloc

    def request(self, method, key='', body=b'', query=(), headers=None):
        """(status, headers, body)"""
        now = datetime.datetime.now(datetime.timezone.utc).strftime('%Y%m%dT%H%M%SZ')
        path = urllib.parse.quote(f'/{self.bucket}/{key}' if key else f'/{self.bucket}', safe='/~')
        text = '&'.join(f'{urllib.parse.quote(k, safe="~")}={urllib.parse.quote(v, safe="~")}' for k, v in sorted(query))
        hashed = hashlib.sha256(body).hexdigest()
        signed = {'host': self.host, 'x-amz-content-sha256': hashed, 'x-amz-date': now, **{k.lower(): v for k, v in (headers or {}).items()}}
        names = ';'.join(sorted(signed))
        canonical = '\n'.join([method, path, text, *(f'{k}:{signed[k]}' for k in sorted(signed)), '', names, hashed])
        scope = f'{now[:8]}/auto/s3/aws4_request'
        to_sign = '\n'.join(['AWS4-HMAC-SHA256', now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        k = f'AWS4{self.secret}'.encode()
        for part in (now[:8], 'auto', 's3', 'aws4_request'):
            k = hmac.new(k, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(k, to_sign.encode(), hashlib.sha256).hexdigest()
        signed['authorization'] = f'AWS4-HMAC-SHA256 Credential={self.id}/{scope}, SignedHeaders={names}, Signature={signature}'
        c = http.client.HTTPConnection(self.host, timeout=40)
        try:
            c.request(method, path + (f'?{text}' if text else ''), body, signed)
            r = c.getresponse()
            return r.status, r.headers, r.read()
        finally:
            c.close()

    def ok(self, *args, **more):
        status, headers, body = self.request(*args, **more)
        if status // 100 != 2:
            raise AssertionError(f'{args[0]} {args[1:2]}: {status} {body[:400]!r}')
        return headers, body

    def put(self, key, body, **more):
        return self.ok('PUT', key, body, **more)

    def get(self, key):
        return self.ok('GET', key)[1]

    def upload(self, key):
        """The id of a new multipart upload."""
        return re.search(rb'<UploadId>([^<]+)<', self.ok('POST', key, query=[('uploads', '')])[1]).group(1).decode()

    def part(self, key, upload, number, body):
        """Its ETag."""
        return self.ok('PUT', key, body, query=[('partNumber', str(number)), ('uploadId', upload)])[0]['ETag']

    def complete(self, key, upload, etags):
        xml = ''.join(f'<Part><PartNumber>{i + 1}</PartNumber><ETag>{e}</ETag></Part>' for i, e in enumerate(etags))
        self.ok('POST', key, f'<CompleteMultipartUpload>{xml}</CompleteMultipartUpload>'.encode(), query=[('uploadId', upload)])
