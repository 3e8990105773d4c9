// Namespaces that reach each other by a bridge in a fourth one, and nothing else; all gone at the end.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { run } from "../lib/daemon.mjs";

const NAMES = { "vk.test": "daemon", "pay.vk.test": "daemon", "preview.vk.test": "app" };

async function ip(...args) {
  const r = await run("ip", args);
  if (r.code !== 0) throw new Error(`ip ${args.join(" ")}: ${r.stderr.trim() || r.code} (this suite needs root)`);
}

export class Network {
  static async make() {
    const n = new Network();
    n.mark = `vkt${process.pid}`;
    n.made = [];
    process.on("exit", () => n.forget());
    try {
      await n.space("hub");
      await ip("-n", n.of("hub"), "link", "add", "br0", "type", "bridge");
      await ip("-n", n.of("hub"), "link", "set", "br0", "up");
      for (const [i, space] of ["daemon", "app", "browser"].entries()) {
        await n.space(space);
        await ip("-n", n.of("hub"), "link", "add", `to${i}`, "type", "veth", "peer", "name", "eth0", "netns", n.of(space));
        await ip("-n", n.of("hub"), "link", "set", `to${i}`, "master", "br0", "up");
        await ip("-n", n.of(space), "addr", "add", `${n.address(space)}/24`, "dev", "eth0");
        await ip("-n", n.of(space), "link", "set", "eth0", "up");
        // `ip netns exec` puts these over the ones in /etc.
        mkdirSync(`/etc/netns/${n.of(space)}`, { recursive: true });
        writeFileSync(`/etc/netns/${n.of(space)}/hosts`, ["127.0.0.1 localhost", ...Object.entries(NAMES).map(([name, at]) => `${n.address(at)} ${name}`)].join("\n") + "\n");
      }
      return n;
    } catch (e) {
      await n.end();
      throw e;
    }
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

  forget() {
    for (const name of this.made) rmSync(`/etc/netns/${name}`, { recursive: true, force: true });
  }

  async end() {
    this.forget();
    for (const name of this.made.splice(0)) await run("ip", ["netns", "delete", name]);
  }
}
