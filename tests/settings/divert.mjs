// Loaded into the app by NODE_OPTIONS: vendors' names have an address of the Internet, and what goes there arrives at the test's own
// server, by TLS that the app checks as ever. Nothing of the app's own guards is changed.
import dns from "node:dns";
import { syncBuiltinESMExports } from "node:module";
import net from "node:net";

const { names, port } = JSON.parse(process.env.VK_TEST_DIVERT);
const ADDRESS = "8.8.4.4";
const known = (name) => names.includes(name);

const { lookup, promises } = dns;
const { lookup: lookupPromise } = promises;
dns.lookup = (name, options, callback) => {
  const [opts, done] = typeof options === "function" ? [{}, options] : [typeof options === "number" ? { family: options } : options, callback];
  if (!known(name)) return lookup(name, opts, done);
  process.nextTick(() => (opts.all ? done(null, [{ address: ADDRESS, family: 4 }]) : done(null, ADDRESS, 4)));
};
promises.lookup = async (name, options) => {
  if (!known(name)) return lookupPromise(name, options);
  const found = { address: ADDRESS, family: 4 };
  return options?.all ? [found] : found;
};
for (const [kind, found] of [["resolve4", [ADDRESS]], ["resolve6", []]]) {
  const [plain, promise] = [dns[kind], promises[kind]];
  dns[kind] = (name, ...more) => (known(name) ? process.nextTick(more.at(-1), null, found) : plain(name, ...more));
  promises[kind] = async (name, ...more) => (known(name) ? found : promise(name, ...more));
}

const { connect } = net.Socket.prototype;
net.Socket.prototype.connect = function (...args) {
  const options = Array.isArray(args[0]) ? args[0][0] : args[0];
  const host = options?.host ?? options?.hostname;
  if (options && typeof options === "object" && Number(options.port) === 443 && (host === ADDRESS || known(host))) {
    const moved = { ...options, host: "127.0.0.1", port };
    delete moved.lookup;
    if (Array.isArray(args[0])) args[0][0] = moved;
    else args[0] = moved;
  }
  return connect.apply(this, args);
};
syncBuiltinESMExports();
