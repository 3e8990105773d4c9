"""boto3 as an app uses it, with the environment of a build. Prints TAP lines. `boto.py VERSION` only says which boto3 there is."""
import hashlib
import http.client
import io
import json
import os
import sys
import tempfile
import time
import traceback
import urllib.parse

import boto3
import botocore
from boto3.s3.transfer import TransferConfig
from botocore.client import Config
from botocore.exceptions import ClientError

if sys.argv[1:] == ["VERSION"]:
    print(boto3.__version__)
    sys.exit()

ENV = os.environ
BUCKET = ENV["R2_BUCKET"]
PREFIX = ENV["R2_PREFIX"] if "--prefix" in sys.argv else ""
MIB = 1 << 20
ODD = ["a b", "a+b", "a%20b", "a%2Fb", "&<>\"'", "ü/日本語", "😀", "a//b", "dir/", "q?x=1#y", "back\\slash", "tab\there", "\x01", "new\nline", "return\rhere", "~*'()!"]
count = 0


def same(got, want, what="value"):
    if got != want:
        raise AssertionError(f"{what}: got {str(got)[:600]!r}, want {str(want)[:600]!r}")


def fails(code, fn, **args):
    try:
        fn(**args)
    except ClientError as e:
        same(e.response["Error"]["Code"], code, str(e))
        return e
    raise AssertionError(f"done; {code} was expected")


def client(**config):
    return boto3.client("s3", endpoint_url=ENV["R2_ENDPOINT"], config=Config(retries={"total_max_attempts": 1}, **config))


s3 = client()


def check(fn):
    global count
    count += 1
    name = fn.__doc__ or fn.__name__
    try:
        fn()
        print(f"ok {count} - {name}")
    except Exception:  # whatever it is, it is this check's failure
        print(f"not ok {count} - {name}")
        print("# " + traceback.format_exc().strip().replace("\n", "\n# "))
    sys.stdout.flush()


def plain(method, url, body=None, headers=None):
    """One request as any program makes it: (status, body, headers)."""
    u = urllib.parse.urlsplit(url)
    if u.scheme == "https":
        import ssl
        c = http.client.HTTPSConnection(u.netloc, context=ssl.create_default_context(cafile=ENV.get("AWS_CA_BUNDLE")))
    else:
        c = http.client.HTTPConnection(u.netloc)
    c.request(method, f"{u.path}?{u.query}" if u.query else u.path, body, headers or {})
    r = c.getresponse()
    out = r.status, r.read(), dict((k.lower(), v) for k, v in r.getheaders())
    c.close()
    return out


@check
def objects():
    """put, get, head, delete of bytes, text, files and nothing, none of them waiting for a 100 Continue"""
    for key, body, want in [("b", b"\0\r\n\xff", None), ("t", "grüße", "grüße".encode()), ("f", io.BytesIO(b"file" * 50000), b"file" * 50000), ("e", b"", None)]:
        want = body if want is None else want
        t0 = time.monotonic()
        r = s3.put_object(Bucket=BUCKET, Key=PREFIX + key, Body=body)
        took = time.monotonic() - t0
        if took > 0.9:
            raise AssertionError(f"PutObject took {took:.2f} s: nobody answered Expect?")
        same(r["ETag"], f'"{hashlib.md5(want).hexdigest()}"')
        same(s3.get_object(Bucket=BUCKET, Key=PREFIX + key)["Body"].read(), want)
        same(s3.head_object(Bucket=BUCKET, Key=PREFIX + key)["ContentLength"], len(want))
    # After a final answer without 100 Continue before it, botocore would misread the next answer of the connection.
    for key, body in [("e1", b""), ("e2", b""), ("e3", b"after")]:
        same(s3.put_object(Bucket=BUCKET, Key=PREFIX + key, Body=body)["ETag"], f'"{hashlib.md5(body).hexdigest()}"', key)
    same(s3.delete_object(Bucket=BUCKET, Key=PREFIX + "b")["ResponseMetadata"]["HTTPStatusCode"], 204)
    fails("NoSuchKey", s3.get_object, Bucket=BUCKET, Key=PREFIX + "b")
    fails("404", s3.head_object, Bucket=BUCKET, Key=PREFIX + "b")


@check
def beside():
    """metadata, headers, ranges and conditions"""
    s3.put_object(Bucket=BUCKET, Key=PREFIX + "m", Body=b"0123456789", ContentType="text/x-a", CacheControl="max-age=1", ContentEncoding="gzip", Metadata={"Who": "me & you"})
    r = s3.get_object(Bucket=BUCKET, Key=PREFIX + "m", Range="bytes=2-4")
    same([r["Body"].read(), r["ContentRange"], r["ContentType"], r["CacheControl"], r["ContentEncoding"], r["Metadata"]], [b"234", "bytes 2-4/10", "text/x-a", "max-age=1", "gzip", {"who": "me & you"}])
    fails("InvalidRange", s3.get_object, Bucket=BUCKET, Key=PREFIX + "m", Range="bytes=10-")
    fails("304", s3.get_object, Bucket=BUCKET, Key=PREFIX + "m", IfNoneMatch=r["ETag"])
    fails("PreconditionFailed", s3.get_object, Bucket=BUCKET, Key=PREFIX + "m", IfMatch='"0"')


@check
def multipart():
    """upload_file and download_file of 12 MiB in parts, upload_fileobj, a managed copy in parts"""
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    data = bytes(range(251)) * (12 * MIB // 251)
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "file")
        with open(path, "wb") as f:
            f.write(data)
        s3.upload_file(path, BUCKET, PREFIX + "large", Config=config, ExtraArgs={"ContentType": "video/mp4"})
        r = s3.head_object(Bucket=BUCKET, Key=PREFIX + "large")
        same([r["ContentLength"], r["ContentType"], r["ETag"][-3:]], [len(data), "video/mp4", '-3"'])
        s3.download_file(BUCKET, PREFIX + "large", path + "2", Config=config)
        with open(path + "2", "rb") as f:
            same(hashlib.sha256(f.read()).hexdigest(), hashlib.sha256(data).hexdigest())
    s3.upload_fileobj(io.BytesIO(data[:100]), BUCKET, PREFIX + "small", Config=config)
    s3.copy({"Bucket": BUCKET, "Key": PREFIX + "large"}, BUCKET, PREFIX + "large-copy", Config=config)
    same(hashlib.sha256(s3.get_object(Bucket=BUCKET, Key=PREFIX + "large-copy")["Body"].read()).hexdigest(), hashlib.sha256(data).hexdigest())


@check
def lists():
    """odd keys: put, list in all forms page by page, the resource API, delete_objects"""
    for k in ODD:
        s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}odd/{k}", Body=k.encode())
        same(s3.get_object(Bucket=BUCKET, Key=f"{PREFIX}odd/{k}")["Body"].read(), k.encode(), k)
    want = sorted((f"{PREFIX}odd/{k}" for k in ODD), key=lambda k: k.encode())
    for name, field in [("list_objects_v2", "Contents"), ("list_objects", "Contents"), ("list_object_versions", "Versions")]:
        got = [o["Key"] for page in s3.get_paginator(name).paginate(Bucket=BUCKET, Prefix=PREFIX + "odd/", PaginationConfig={"PageSize": 3}) for o in page.get(field, [])]
        same(got, want, name)
    r = s3.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX + "odd/", Delimiter="/")
    same([c["Prefix"] for c in r["CommonPrefixes"]], [PREFIX + "odd/a/", PREFIX + "odd/dir/", PREFIX + "odd/ü/"])
    bucket = boto3.resource("s3", endpoint_url=ENV["R2_ENDPOINT"]).Bucket(BUCKET)
    same([o.key for o in bucket.objects.filter(Prefix=PREFIX + "odd/")], want)
    # botocore writes control characters into its XML as they are, which no XML parser takes.
    for k in [k for k in want if k.endswith("\x01")]:
        s3.delete_object(Bucket=BUCKET, Key=k)
        want.remove(k)
    r = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": k} for k in want]})
    same([sorted(d["Key"] for d in r["Deleted"]), r.get("Errors")], [sorted(want), None])
    same(s3.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX + "odd/")["KeyCount"], 0)
    bucket.objects.filter(Prefix=PREFIX + "large").delete()
    same(s3.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX + "large")["KeyCount"], 0)


@check
def urls():
    """presigned URLs for upload and download"""
    p = {"Bucket": BUCKET, "Key": PREFIX + "signed url+ü"}
    status, body, _ = plain("PUT", client(signature_version="s3v4").generate_presigned_url("put_object", Params=p), b"hello")
    same(status, 200, body)
    same(plain("GET", s3.generate_presigned_url("get_object", Params=dict(p, ResponseContentType="text/x-b")))[0:2], (200, b"hello"))
    # With what the environment says, and nothing in the code: as most apps have it.
    url = s3.generate_presigned_url("get_object", Params=p)
    same(plain("GET", url)[0:2], (200, b"hello"), url.split("&")[0])


@check
def form():
    """a presigned form"""
    post = s3.generate_presigned_post(BUCKET, PREFIX + "form/${filename}", Fields={"Content-Type": "text/x-c"}, Conditions=[{"Content-Type": "text/x-c"}, ["content-length-range", 1, 10]])

    def send(data):
        edge = "boundary-of-this-form"
        parts = [f'--{edge}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in post["fields"].items()]
        parts.append(f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n'.encode() + data + f"\r\n--{edge}--\r\n".encode())
        return plain("POST", post["url"], b"".join(parts), {"Content-Type": f"multipart/form-data; boundary={edge}"})

    status, body, _ = send(b"hello")
    same(status, 204, body)
    r = s3.get_object(Bucket=BUCKET, Key=PREFIX + "form/a.txt")
    same([r["Body"].read(), r["ContentType"]], [b"hello", "text/x-c"])
    status, body, _ = send(b"much too long")
    same((status, b"EntityTooLarge" in body), (400, True), body)


@check
def bucket():
    """the bucket: location, head, create, another one"""
    same(s3.head_bucket(Bucket=BUCKET)["ResponseMetadata"]["HTTPStatusCode"], 200)
    s3.get_bucket_location(Bucket=BUCKET)
    try:
        s3.create_bucket(Bucket=BUCKET)
    except ClientError as e:
        same(e.response["Error"]["Code"], "BucketAlreadyOwnedByYou")
    if ENV.get("VK_OURS"):
        fails("403", s3.head_bucket, Bucket="nobodys-bucket")
        same([b["Name"] for b in s3.list_buckets()["Buckets"]], [BUCKET])


print(f"# boto3 {boto3.__version__}, botocore {botocore.__version__}, {json.dumps(ENV['R2_ENDPOINT'])}")
