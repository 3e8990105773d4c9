// Namespaces that reach each other by a bridge in a fourth one, and nothing else, or one that is by itself; all gone at the end.
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { run, sleep } from "../lib/daemon.mjs";

const SYSTEM_CAS = "certs/ca-certificates.crt";
const NAMES = { "vk.test": "daemon", "pay.vk.test": "daemon", "preview.vk.test": "app" };

async function ip(...args) {
  const r = await run("ip", args);
  if (r.code !== 0) throw new Error(`ip ${args.join(" ")}: ${r.stderr.trim() || r.code} (this suite needs root)`);
  return r.stdout;
}

export class Network {
  static async make() {
    const n = new Network();
    n.mark = `vkt${process.pid}`;
    n.made = [];
    n.watches = [];
    process.on("exit", () => n.end());
    try {
      await n.space("hub");
      await ip("-n", n.of("hub"), "link", "add", "br0", "type", "bridge");
      await n.up("hub", "br0");
      for (const [i, space] of ["daemon", "app", "browser"].entries()) {
        await n.space(space);
        await ip("-n", n.of("hub"), "link", "add", `to${i}`, "type", "veth", "peer", "name", "eth0", "netns", n.of(space));
        await n.up("hub", `to${i}`, "master", "br0");
        await ip("-n", n.of(space), "addr", "add", `${n.address(space)}/24`, "dev", "eth0");
        await n.up(space, "eth0");
        // `ip netns exec` puts these over the ones in /etc.
        mkdirSync(`/etc/netns/${n.of(space)}`, { recursive: true });
        writeFileSync(`/etc/netns/${n.of(space)}/hosts`, ["127.0.0.1 localhost", ...Object.entries(NAMES).map(([name, at]) => `${n.address(at)} ${name}`)].join("\n") + "\n");
      }
      for (const space of ["daemon", "app", "browser"]) await n.settled(space);
      return n;
    } catch (e) {
      n.end();
      throw e;
    }
  }

  /** One namespace in which nothing is reached but itself. `hosts` ({ name: address }) are what names resolve to, and each of these addresses is on its
   * loopback device, so public ones are public ones to whoever looks, and no packet leaves. `authority`, a file, is among the system's there. */
  static async alone(name, hosts, authority) {
    const n = new Network();
    n.mark = `vkt${process.pid}`;
    n.made = [];
    n.watches = [];
    process.on("exit", () => n.end());
    try {
      await n.space(name);
      for (const address of new Set(Object.values(hosts)))
        if (!address.startsWith("127.")) await ip("-n", n.of(name), "addr", "add", `${address}/32`, "dev", "lo");
      const etc = `/etc/netns/${n.of(name)}`;
      mkdirSync(path.join(etc, "ssl/certs"), { recursive: true });
      writeFileSync(path.join(etc, "hosts"), ["127.0.0.1 localhost", ...Object.entries(hosts).map(([host, address]) => `${address} ${host}`)].join("\n") + "\n");
      writeFileSync(path.join(etc, "resolv.conf"), "");
      if (existsSync("/etc/ssl/openssl.cnf")) copyFileSync("/etc/ssl/openssl.cnf", path.join(etc, "ssl/openssl.cnf"));
      writeFileSync(path.join(etc, "ssl", SYSTEM_CAS), [path.join("/etc/ssl", SYSTEM_CAS), authority].filter((file) => file && existsSync(file)).map((file) => readFileSync(file, "utf8")).join("\n"));
      return n;
    } catch (e) {
      n.end();
      throw e;
    }
  }

  /** Up, without an address that the kernel makes by itself: that one is tried for a second or more, and then Chromium, which takes it for another
   * network, breaks off what it is loading (ERR_NETWORK_CHANGED). */
  async up(space, device, ...more) {
    await ip("-n", this.of(space), "link", "set", device, "addrgenmode", "none");
    await ip("-n", this.of(space), "link", "set", device, ...more, "up");
  }

  /** Until its device has what it will have. */
  async settled(space) {
    let said;
    for (let tries = 0; tries < 200; tries++, await sleep(50)) {
      said = await ip("-n", this.of(space), "address", "show", "dev", "eth0");
      if (/state UP/.test(said) && !/tentative/.test(said)) return;
    }
    throw new Error(`the device of ${space} is not up:\n${said}`);
  }

  /** What changes there from now on, links and addresses: { said() }. None of it should, and a page that was being loaded shows it. */
  watch(space) {
    const [command, ...args] = [...this.enter(space), "ip", "-ts", "monitor", "link", "address"];
    const monitor = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    for (const stream of [monitor.stdout, monitor.stderr]) stream.setEncoding("utf8").on("data", (d) => (said += d));
    monitor.once("error", (e) => (said += e.message));
    this.watches.push(monitor);
    return { said: () => said };
  }

  of(space) {
    return `${this.mark}-${space}`;
  }

  address(space) {
    return `10.77.0.${1 + ["daemon", "app", "browser"].indexOf(space)}`;
  }

  /** In front of a command line, for it to run there. */
  enter(space) {
    return ["ip", "netns", "exec", this.of(space)];
  }

  async space(name) {
    await ip("netns", "add", this.of(name));
    this.made.push(this.of(name));
    await ip("-n", this.of(name), "link", "set", "lo", "up");
  }

  /** Also when the process ends early, so without waiting for anything. */
  end() {
    for (const watch of this.watches.splice(0)) watch.kill("SIGKILL");
    for (const name of this.made.splice(0)) {
      rmSync(`/etc/netns/${name}`, { recursive: true, force: true });
      spawnSync("ip", ["netns", "delete", name], { stdio: "ignore" });
    }
  }
}
