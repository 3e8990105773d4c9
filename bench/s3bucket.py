"""Signature Version 4, as much of it as benches and load tests need: requests that are signed before the run starts."""
import datetime
import hashlib
import hmac
import http.client
import threading
import urllib.parse

UNSIGNED = "UNSIGNED-PAYLOAD"


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Bucket:
    """A bucket on loopback and who may use it. Signatures in headers are good for 15 minutes, as S3 has it."""

    def __init__(self, port, name, key_id, secret, region):
        self.port, self.name, self.id, self.secret, self.region = port, name, key_id, secret, region
        self.host = f"127.0.0.1:{port}"

    def _signature(self, method, path, query, headers, payload, now):
        day, stamp = now[:8], now
        names = ";".join(headers)
        canonical = "\n".join([method, path, query, *(f"{k}:{v}" for k, v in headers.items()), "", names, payload])
        scope = f"{day}/{self.region}/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = ("AWS4" + self.secret).encode()
        for part in (day, self.region, "s3", "aws4_request"):
            key = _hmac(key, part)
        return names, scope, _hmac(key, text).hex()

    def signed(self, method, key, body=None):
        """(method, path, headers, body), signed in an Authorization header."""
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        path = "/" + urllib.parse.quote(f"{self.name}/{key}")
        payload = hashlib.sha256(body.encode() if isinstance(body, str) else body or b"").hexdigest()
        headers = {"host": self.host, "x-amz-content-sha256": payload, "x-amz-date": now}
        names, scope, signature = self._signature(method, path, "", headers, payload, now)
        return method, path, {"Host": self.host, "x-amz-content-sha256": payload, "x-amz-date": now, "Authorization":
                              f"AWS4-HMAC-SHA256 Credential={self.id}/{scope}, SignedHeaders={names}, Signature={signature}"}, body

    def presigned(self, method, key):
        """(method, path with its query, headers, None): a presigned URL."""
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        path = "/" + urllib.parse.quote(f"{self.name}/{key}")
        query = "&".join(f"{k}={urllib.parse.quote(v, safe='')}" for k, v in (
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential", f"{self.id}/{now[:8]}/{self.region}/s3/aws4_request"),
            ("X-Amz-Date", now), ("X-Amz-Expires", "3600"), ("X-Amz-SignedHeaders", "host")))
        _, _, signature = self._signature(method, path, query, {"host": self.host}, UNSIGNED, now)
        return method, f"{path}?{query}&X-Amz-Signature={signature}", {"Host": self.host}, None

    def put_all(self, objects, threads=8):
        """Uploads {key: bytes}."""
        rest, failed = list(objects), []

        def work():
            c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            try:
                while rest and not failed:
                    key = rest.pop()
                    method, path, headers, body = self.signed("PUT", key, objects[key])
                    c.request(method, path, body, headers)
                    r = c.getresponse()
                    text = r.read()
                    if r.status != 200:
                        failed.append(f"{key}: {r.status} {text[:300]}")
            except IndexError:
                pass
            except OSError as e:
                failed.append(str(e))
            c.close()

        all_threads = [threading.Thread(target=work) for _ in range(threads)]
        for t in all_threads:
            t.start()
        for t in all_threads:
            t.join()
        if failed:
            raise SystemExit(f"PUT: {failed[0]}")
