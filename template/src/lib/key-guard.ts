// Which addresses a key check may speak to. A host that somebody typed could be this machine's own, a neighbour's or a cloud's metadata
// service; the address that it resolves to decides, whatever its text looks like. Nothing switches this off.
//
// The list: the special-purpose registries of IANA (RFC 6890, RFC 8190) and the clouds' metadata addresses. valetkey's own program has the
// same one.
import { isIP, isIPv4, isIPv6 } from "node:net";

export type Target = { host: string; port: number; path: string; literal: boolean };

const URL_MAX = 2048;
const HOST_MAX = 253;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** An https address with one host; null for everything that two readers could read in two ways: users, fragments, numbers that are no
 * dotted quad, characters that belong percent-encoded. */
export function parseTarget(url: string): Target | null {
  if (url.length > URL_MAX || !/^[!-~]+$/.test(url) || /["<>\\^`{|}#]/.test(url)) return null;
  const parts = /^https:\/\/(\[[^\]/?]*\]|[^:/?[\]]*)(?::([0-9]{1,5}))?([/?].*)?$/i.exec(url);
  if (!parts || parts[1]!.includes("@")) return null;
  const port = parts[2] === undefined ? 443 : Number(parts[2]);
  if (port < 1 || port > 65535) return null;
  const path = parts[3] ?? "";
  const given = parts[1]!.toLowerCase();
  if (given.startsWith("[")) {
    const host = given.slice(1, -1);
    return isIPv6(host) && !host.includes("%") ? { host, port, path, literal: true } : null;
  }
  const host = given.endsWith(".") ? given.slice(0, -1) : given;
  if (host === "" || host.length > HOST_MAX) return null;
  const labels = host.split(".");
  if (!labels.every((label) => LABEL.test(label))) return null;
  const number = /^(?:[0-9]+|0x.*)$/.test(labels.at(-1)!);
  if (number && !isIPv4(host)) return null;
  return { host, port, path, literal: number };
}

const NETWORKS = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "168.63.129.16/32", // a cloud's metadata, at an address like any other
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "::/96", // also :: and ::1
  "::ffff:0:0:0/96",
  "64:ff9b::/96",
  "64:ff9b:1::/48",
  "100::/64",
  "2001::/32",
  "2001:db8::/32",
  "2002::/16",
  "3fff::/20",
  "5f00::/16",
  "fc00::/7",
  "fe80::/10",
  "fec0::/10",
  "ff00::/8",
].map((text) => {
  const [address, bits] = text.split("/") as [string, string];
  return { v4: isIPv4(address), address: bytesOf(address)!, bits: Number(bits) };
});

/** What is no address is none that may be called. */
export function addressRefused(address: string): boolean {
  let bytes = bytesOf(address);
  if (!bytes) return true;
  const mapped = bytes.length === 16 && bytes.slice(0, 10).every((b) => b === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  if (mapped) bytes = bytes.slice(12); // an IPv4 address in other clothes
  return NETWORKS.some((net) => net.v4 === (bytes!.length === 4) && inside(bytes!, net.address, net.bits));
}

function inside(address: number[], network: number[], bits: number): boolean {
  return network.every((byte, i) => {
    const mask = (0xff << (8 - Math.min(8, Math.max(0, bits - i * 8)))) & 0xff;
    return (address[i]! & mask) === (byte & mask);
  });
}

/** 4 or 16 numbers. */
function bytesOf(address: string): number[] | null {
  if (isIP(address) === 4) return address.split(".").map(Number);
  if (isIP(address) !== 6 || address.includes("%")) return null;
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const text = dotted ? `${dotted[1]}${pair(dotted[2]!, dotted[3]!)}:${pair(dotted[4]!, dotted[5]!)}` : address;
  const [head = "", tail] = text.split("::");
  const groups = (part: string) => (part === "" ? [] : part.split(":").map((group) => parseInt(group, 16)));
  const [before, after] = [groups(head), groups(tail ?? "")];
  const all = tail === undefined ? before : [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
  return all.flatMap((group) => [group >> 8, group & 0xff]);
}

function pair(high: string, low: string): string {
  return ((Number(high) << 8) | Number(low)).toString(16);
}
