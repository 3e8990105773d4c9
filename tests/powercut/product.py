"""The real daemon, from outside: started, asked over its own interfaces, taken away."""
import http.client
import json
import os
import select
import signal
import subprocess
import time
import urllib.parse

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
BINARY = os.path.join(ROOT, os.environ.get("VALETKEY_BIN", "build/valetkey"))
RECORDER = os.path.join(os.path.dirname(BINARY), "tests", "libvkrecord.so")


class Refused(Exception):
    """The daemon did not start or did not do what was asked; the text says what it answered."""


def runs(pid):
    """A zombie that nobody has fetched yet does not run."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Daemon:
    def __init__(self, data, port_base, env=None, log=None):
        self.data, self.port_base, self.log = data, port_base, log or data + ".stderr"
        self.env = dict(os.environ, **(env or {}))
        self.process = None

    def start(self, timeout=10):
        out = open(self.log, "ab")
        self.process = subprocess.Popen([BINARY, "serve", "--data", self.data, "--port-base", str(self.port_base)],
                                        stdout=subprocess.PIPE, stderr=out, env=self.env)
        out.close()
        ready, _, _ = select.select([self.process.stdout], [], [], timeout)
        line = self.process.stdout.readline() if ready else b""
        if not line.endswith(b"\n"):
            self.kill()
            raise Refused("the daemon was not ready: " + self.tail())
        return line.decode().strip()

    def tail(self):
        with open(self.log, "rb") as f:
            return f.read()[-600:].decode(errors="replace").strip().replace("\n", " | ")

    def _children(self):
        pid = self.process.pid
        try:
            return [int(x) for x in open("/proc/%d/task/%d/children" % (pid, pid)).read().split()]
        except OSError:
            return []

    def stop(self, timeout=10):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise Refused("the daemon did not end on SIGTERM")
        self.process.stdout.close()

    def kill(self):
        """As kill -9; waits until the whole family and its ports are gone."""
        if self.process.poll() is None:
            children = self._children()
            self.process.kill()
            self.process.wait()
            end = time.monotonic() + 3
            for pid in children:
                while runs(pid) and time.monotonic() < end:
                    time.sleep(0.001)
        if not self.process.stdout.closed:
            self.process.stdout.close()

    # ---- the command line ----

    def cli(self, *args):
        r = subprocess.run([BINARY, *args, "--data", self.data], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
        if r.returncode != 0:
            raise Refused("valetkey %s: exit %d: %s" % (" ".join(args), r.returncode, (r.stderr or r.stdout).strip()))
        return r.stdout

    def create(self, build):
        return json.loads(self.cli("build", "create", build, "--json"))["env"]

    def environment(self, build):
        return json.loads(self.cli("env", build, "--format", "json"))

    def token(self):
        return open(os.path.join(self.data, "admin.token")).read().strip()

    def connect(self):
        return Connection(self.port_base + 2)


class Users:
    """A keep-alive connection to the Backend API of a build."""

    def __init__(self, daemon, build, env):
        self.http = http.client.HTTPConnection("127.0.0.1", daemon.port_base + 1, timeout=20)
        self.path, self.key = "/b/%s/bapi/v1" % build, env["CLERK_SECRET_KEY"]

    def ask(self, method, path, body=None):
        self.http.request(method, self.path + path, None if body is None else json.dumps(body),
                          {"Authorization": "Bearer " + self.key, "Content-Type": "application/json"})
        r = self.http.getresponse()
        text = r.read()
        if r.status != 200:
            raise Refused("HTTP %d: %s" % (r.status, text.decode(errors="replace")))
        return json.loads(text)

    def close(self):
        self.http.close()


class Payments:
    """A keep-alive connection to the payments of a build."""

    def __init__(self, daemon, env):
        self.http, self.key = http.client.HTTPConnection("127.0.0.1", daemon.port_base + 4, timeout=20), env["STRIPE_SECRET_KEY"]

    def ask(self, method, path, form=None, idempotency_key=None):
        headers = {"Authorization": "Bearer " + self.key}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        self.http.request(method, path, None if form is None else urllib.parse.urlencode(form), headers)
        r = self.http.getresponse()
        body = r.read()
        if r.status != 200:
            raise Refused("HTTP %d: %s" % (r.status, body.decode(errors="replace")))
        return json.loads(body)

    def pay(self, i):
        """One payment, which is made and goes through in one call. The same `i` again is the same payment."""
        return self.ask("POST", "/v1/payment_intents", {"amount": 1000 + i, "currency": "usd", "confirm": "true", "payment_method": "pm_card_visa",
                                                        "payment_method_types[0]": "card", "metadata[n]": i}, "pay-%d" % i)

    def close(self):
        self.http.close()


class Connection:
    """A keep-alive connection to the database port."""

    def __init__(self, port):
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def pipeline(self, token, requests):
        self.http.request("POST", "/v2/pipeline", json.dumps({"requests": requests}),
                          {"Authorization": "Bearer " + token, "Content-Type": "application/json"})
        r = self.http.getresponse()
        return r.status, r.read()

    def execute(self, token, sql, args=()):
        """The rows, as lists of plain values. Refused for any error."""
        status, body = self.pipeline(token, [{"type": "execute", "stmt": {"sql": sql, "args": list(args)}}, {"type": "close"}])
        if status != 200:
            raise Refused("HTTP %d: %s" % (status, body.decode(errors="replace")))
        first = json.loads(body)["results"][0]
        if first["type"] != "ok":
            raise Refused(first["error"]["message"])
        return [[c.get("value", c.get("base64")) for c in row] for row in first["response"]["result"]["rows"]]

    def close(self):
        self.http.close()


def integer(n):
    return {"type": "integer", "value": str(n)}


def text(s):
    return {"type": "text", "value": s}
