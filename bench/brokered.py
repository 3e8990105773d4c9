"""A vendor on loopback that answers over TLS at once (nginx, Stripe's shapes), a build whose payments go to it with the organisation's
key, and the proxies that are compared with it: nginx and haproxy, one worker each, with the same upstream and the same checks of it."""
import json
import os
import secrets
import shutil
import socket
import string
import subprocess
import tempfile
import time

import lib

SMALL, LARGE = "/v1/customers/cus_bench", "/v1/customers"


def letters(n):
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(n))


def started(process, port, what):
    begun = time.monotonic()
    while time.monotonic() - begun < 20 and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"{what} did not start")


class Program:
    """A program in a folder of its own, stopped at the end of the `with`."""

    def __init__(self, port):
        self.port = port

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="vk-brokered-")
        os.chmod(self.folder, 0o755)  # nginx reads as another user than it starts as
        self.process = subprocess.Popen(self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        started(self.process, self.port, type(self).__name__)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def written(self, name, text):
        with open(os.path.join(self.folder, name), "w") as f:
            f.write(text)
        return os.path.join(self.folder, name)


class Nginx(Program):
    def command(self):
        temporary = "".join(f"{what}_temp_path {self.folder}/{what};" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        conf = self.written("nginx.conf", f"""daemon off; worker_processes 1; pid {self.folder}/pid; error_log {self.folder}/error.log;
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; tcp_nodelay on; keepalive_requests 100000000; keepalive_timeout 600s; {temporary}
{self.servers()} }}
""")
        return [shutil.which("nginx", path="/usr/sbin:" + os.environ["PATH"]), "-c", conf, "-p", self.folder]


class Vendor(Nginx):
    """Answers SMALL with an object of some 300 bytes and LARGE with a list of 64 KiB; over TLS on `port`, bare on the next one."""

    def servers(self):
        ca = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
              "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{self.folder}/key.pem", "-out", f"{self.folder}/ca.pem"]
        subprocess.run(ca, check=True, capture_output=True)
        self.ca = f"{self.folder}/ca.pem"
        one = {"id": "cus_bench", "object": "customer", "created": 1700000000, "email": "ada@shop.example", "name": "Ada", "livemode": False,
               "metadata": {"plan": "pro"}, "description": "x" * 120}
        pieces = [one] * 500
        text = json.dumps({"object": "list", "url": LARGE, "has_more": False, "data": pieces})
        while len(text) > 65536:
            pieces.pop()
            text = json.dumps({"object": "list", "url": LARGE, "has_more": False, "data": pieces})
        self.written("small", json.dumps(one))
        self.written("large", text + " " * (65536 - len(text)))
        return f"""default_type application/json; add_header Request-Id req_bench;
  server {{ listen 127.0.0.1:{self.port} ssl; listen 127.0.0.1:{self.port + 1}; ssl_certificate {self.ca}; ssl_certificate_key {self.folder}/key.pem;
    location = {SMALL} {{ alias {self.folder}/small; }} location = {LARGE} {{ alias {self.folder}/large; }} }}"""


class NginxProxy(Nginx):
    def __init__(self, port, vendor, key):
        super().__init__(port)
        self.vendor, self.key = vendor, key

    def servers(self):
        return f"""upstream vendor {{ server 127.0.0.1:{self.vendor.port}; keepalive 64; keepalive_requests 100000000; keepalive_timeout 600s; }}
  server {{ listen 127.0.0.1:{self.port}; location / {{ proxy_pass https://vendor; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_set_header Host localhost:{self.vendor.port}; proxy_set_header Authorization "Bearer {self.key}"; proxy_ssl_verify on; proxy_ssl_server_name on;
    proxy_ssl_trusted_certificate {self.vendor.ca}; proxy_ssl_name localhost; proxy_ssl_protocols TLSv1.2 TLSv1.3; }} }}"""


class Haproxy(Program):
    def __init__(self, port, vendor, key):
        super().__init__(port)
        self.vendor, self.key = vendor, key

    def command(self):
        conf = self.written("haproxy.cfg", f"""global
  nbthread 1
  maxconn 1024
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  http-reuse always
listen proxy
  bind 127.0.0.1:{self.port}
  http-request set-header Host localhost:{self.vendor.port}
  http-request set-header Authorization "Bearer {self.key}"
  server vendor 127.0.0.1:{self.vendor.port} ssl verify required ca-file {self.vendor.ca} sni str(localhost) verifyhost localhost pool-max-conn 64
""")
        return [shutil.which("haproxy", path="/usr/sbin:" + os.environ["PATH"]), "-db", "-f", conf]


def key_of_org():
    return "sk_test_51" + letters(40)


def bind(d, api_base, key, build="bench"):
    """A build of the daemon `d` (lib.Daemon) with a connected account at the vendor; its valet key."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("VALETKEY_")}

    def cli(*args, stdin=""):
        for left in reversed(range(30)):  # under valgrind keeper may be too slow for who asks
            p = subprocess.run([lib.BIN, *args, "--data", d.folder], input=stdin, capture_output=True, text=True, timeout=300, env=clean)
            if p.returncode == 0:
                return p.stdout
            if "does not answer" not in p.stderr or not left:
                raise SystemExit(f"{' '.join(args[:2])}: {p.stdout} {p.stderr}")
            time.sleep(1)
        return ""

    cli("keys", "set", "stripe", stdin=f"secret_key={key}\npublishable_key=pk_test_51{letters(40)}\napi_base={api_base}\n")
    cli("build", "create", build)
    cli("build", "use", build, "payments", "stripe", "account=acct_1" + letters(15))
    env = json.loads(cli("env", build, "--format", "json"))
    found = env.get("env", env)["STRIPE_SECRET_KEY"]
    return found if isinstance(found, str) else found["value"]
