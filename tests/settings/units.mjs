// The parts of the settings page that need no server: the file of keys and who writes it, sealing, dialects, a host's API, the
// look through the bundle.
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { seeded, sleep, tempFolder, withChecksum } from "../lib/daemon.mjs";
import { assert, assertSame, check, note } from "../lib/tap.mjs";
import { compileParts, template } from "./parts.mjs";

const SEED = Number(process.env.VALETKEY_TEST_SEED ?? Date.now() % 1e9);
note(`seed ${SEED}`);
const random = seeded(SEED);
const HOSTILE = [..."abcAZ019 _./:@%+,=-~#$\\`'\"!;&|<>(){}[]*?^\t", "é", "☃", "😀", "'\\''", "${Q}", "\\n", " #"];
const text = (pieces = HOSTILE) => Array.from({ length: random.below(24) }, () => random.pick(pieces)).join("");
const writer = path.join(import.meta.dirname, "writer.cjs");

let folder;
let load;
if (await check("the parts compile", () => void ({ folder, load } = compileParts()))) {
  await envFiles(load("env-file"));
  await sealing(load("seal"));
  await overlays(load("config-core"), load("seal"));
  await writing(load("env-file"), load("seal"));
  await dialects(load("env-dialects"));
  await hosts(load("settings-host"));
  await addresses(load("stripe-webhook"));
  await bundles(load("bundle-check"));
}

async function envFiles({ parseEnvFile, updateEnvFile, envLine, fitsLine }) {
  await check("env file: what was written is read back, whatever the value", () => {
    for (let round = 0; round < 2000; round++) {
      const before = new Map(Array.from({ length: random.below(4) }, (_, i) => [`A${i}`, text()]).filter(([, value]) => fitsLine(value)));
      const changes = new Map(Array.from({ length: 1 + random.below(4) }, (_, i) => [`A${i * 2}`, text()]).filter(([, value]) => fitsLine(value)));
      const file = updateEnvFile(updateEnvFile("# a remark\n\nKEPT = 'as it is' # why\n", before), changes);
      const want = new Map([["KEPT", "'as it is'"], ...before, ...changes]);
      const got = parseEnvFile(file);
      for (const [name, value] of want) if (name !== "KEPT") assertSame(got.get(name), value, `${name} in ${file}`);
      assert(file.startsWith("# a remark\n\nKEPT = 'as it is' # why\n") && file.endsWith("\n"), "other lines stay");
    }
  });
  await check("env file: a line is replaced where it stands, further ones of its name go", () =>
    assertSame(updateEnvFile("A=1\r\nexport B = 2\r\nA=3\r\nC=4", new Map([["A", "new"], ["B", ""], ["D", "d e"]])), "A=new\nB=\nC=4\nD='d e'\n", "file"));
  await check("env file: what is taken out is gone, with all its lines", () =>
    assertSame(updateEnvFile("A=1\nB=2\nA=3\n", new Map([["A", null], ["C", null]])), "B=2\n", "file"));
  await check("env file: what a line cannot hold is refused, and the message has no value", () => {
    for (const bad of ["a\nb", "a\rb", "a\0b", "a\u2028b", "a\u2029b", "a\u0085b", "\ud800", "\u001b[0m", "\ufeffa"]) {
      let message = "";
      try {
        updateEnvFile("", new Map([["K", `mark${bad}`]]));
      } catch (error) {
        message = error.message;
      }
      assert(message.includes("K") && !message.includes("mark"), JSON.stringify(bad));
    }
    for (const bad of ["", "1A", "A-B", "A B", "A=B", "é", "A\nB"]) {
      let refused = false;
      try {
        envLine(bad, "x");
      } catch {
        refused = true;
      }
      assert(refused, bad);
    }
  });
}

async function sealing({ sealingKey, seal, unseal, isSealed }) {
  const key = sealingKey("ab".repeat(32));
  await check("seal: opens with its key and its name, and not otherwise", () => {
    const other = sealingKey("ac".repeat(32));
    for (let round = 0; round < 200; round++) {
      const value = text() + "end";
      const sealed = seal(key, "NAME", value);
      assert(isSealed(sealed) && /^v1\.[A-Za-z0-9_-]+$/.test(sealed) && !sealed.includes(value), sealed);
      assertSame(unseal(key, "NAME", sealed), value, "value");
      assertSame([unseal(key, "OTHER", sealed), unseal(other, "NAME", sealed)], [null, null], "another name, another key");
      const bytes = Buffer.from(sealed.slice(3), "base64url");
      bytes[random.below(bytes.length)] ^= 1 << random.below(8);
      assertSame(unseal(key, "NAME", `v1.${bytes.toString("base64url")}`), null, "a bit turned");
      assertSame(unseal(key, "NAME", sealed.slice(0, 3 + random.below(sealed.length - 4))), null, "cut off");
    }
    assert(seal(key, "NAME", "x") !== seal(key, "NAME", "x"), "each its own");
  });
  await check("seal: a key is 64 hex digits", () =>
    assertSame(["", "ab", "ab".repeat(31), "ab".repeat(33), "xy".repeat(32), ` ${"ab".repeat(32)}`].map(sealingKey), Array(6).fill(null), "keys"));
}

/** `run` in a folder of its own, with these variables in the environment. */
async function inFolder(variables, run) {
  const before = process.cwd();
  const kept = Object.keys(variables).map((name) => [name, process.env[name]]);
  const here = tempFolder("valetkey-overlay");
  process.chdir(here);
  for (const [name, value] of Object.entries(variables)) value === undefined ? delete process.env[name] : (process.env[name] = value);
  try {
    return await run(here);
  } finally {
    process.chdir(before);
    for (const [name, value] of kept) value === undefined ? delete process.env[name] : (process.env[name] = value);
  }
}

async function overlays({ cfg, cfgSource, overlayProblem }, { sealingKey, seal }) {
  const KEY = "cd".repeat(32);
  const sealed = (name, value, key = KEY) => seal(sealingKey(key), name, value);
  const write = (lines) => writeFileSync(".env.keys", lines.join("\n"));
  await check("overlay: a sealed value counts, one that cannot be opened counts as not set and never as the environment's", () =>
    inFolder({ SETTINGS_ENCRYPTION_KEY: KEY, VK_A: "build's a", VK_B: "build's b", VK_C: "build's c" }, () => {
      write([`VK_A=${sealed("VK_A", "own a")}`, `VK_B=${sealed("VK_B", "own b", "ef".repeat(32))}`, `VK_C=${sealed("VK_A", "moved")}`, "VK_D=plain"]);
      assertSame(["VK_A", "VK_B", "VK_C", "VK_D"].map(cfg), ["own a", undefined, undefined, "plain"], "values");
      assertSame(cfgSource("VK_B"), undefined, "source");
      const problem = overlayProblem();
      assertSame(problem.code, "keys_sealed", "code");
      assert(problem.message.includes("VK_B, VK_C in .env.keys") && !/own|moved|build's/.test(problem.message), problem.message);
      delete process.env.SETTINGS_ENCRYPTION_KEY;
      assertSame(["VK_A", "VK_D"].map(cfg), [undefined, "plain"], "without the key");
      assert(overlayProblem().message.includes("SETTINGS_ENCRYPTION_KEY is not set"), "says so");
      process.env.SETTINGS_ENCRYPTION_KEY = KEY;
      assertSame(cfg("VK_A"), "own a", "the key again");
      rmSync(".env.keys");
      assertSame([cfg("VK_A"), overlayProblem()], ["build's a", undefined], "without the file");
    }));
  await check("overlay: a file that is there and cannot be read is no reason to take the build's keys", () =>
    inFolder({ VK_A: "build's a" }, () => {
      mkdirSync(".env.keys");
      assertSame([cfg("VK_A"), overlayProblem().code], [undefined, "keys_unreadable"], "a folder");
      rmSync(".env.keys", { recursive: true });
      writeFileSync(".env.keys", "X".repeat(300 * 1024));
      assertSame([cfg("VK_A"), overlayProblem().code], [undefined, "keys_unreadable"], "too large");
      writeFileSync(".env.keys", "VK_A=mine\n");
      assertSame([cfg("VK_A"), overlayProblem()], ["mine", undefined], "mended");
    }));
  await check("overlay: opening is not done again for every question", () =>
    inFolder({ SETTINGS_ENCRYPTION_KEY: KEY }, () => {
      write(Array.from({ length: 40 }, (_, i) => `VK_${i}=${sealed(`VK_${i}`, "x".repeat(200))}`));
      cfg("VK_0");
      const { decrypts, restore } = countDecrypts();
      for (let i = 0; i < 1000; i++) assertSame(cfg("VK_1").length, 200, "value");
      restore();
      assertSame(decrypts(), 0, "times");
    }));
}

function countDecrypts() {
  const crypto = createRequire(import.meta.url)("node:crypto");
  const real = crypto.createDecipheriv;
  let n = 0;
  crypto.createDecipheriv = (...args) => (n++, real(...args));
  return { decrypts: () => n, restore: () => void (crypto.createDecipheriv = real) };
}

async function writing({ parseEnvFile }, { sealingKey, unseal }) {
  const write = (here, how, more = [], env = {}) =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, [writer, folder, here, how, ...more], { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "inherit"] });
      let out = "";
      child.stdout.setEncoding("utf8").on("data", (d) => (out += d));
      child.on("close", (code, signal) => resolve({ out: out.trim(), signal }));
    });
  const read = (here) => readFileSync(path.join(here, ".env.keys"), "utf8");
  const OLD = "# mine\nOLD=value\n";
  const fresh = () => {
    const here = tempFolder("valetkey-writer");
    writeFileSync(path.join(here, ".env.keys"), OLD, { mode: 0o644 });
    return here;
  };

  await check("writing: a new file, 0600 whatever the umask, and nothing beside it", async () => {
    const here = fresh();
    const before = process.umask(0);
    assertSame((await write(here, "well")).out, "saved", "output");
    process.umask(before);
    assertSame(statSync(path.join(here, ".env.keys")).mode & 0o777, 0o600, "mode");
    assertSame(readdirSync(here), [".env.keys"], "files");
    assert(read(here).startsWith(OLD) && read(here).includes("NEW_COUNT=1\n"), read(here));
  });
  await check("writing: sealed with the key, cleared names stay bare", async () => {
    const here = fresh();
    await write(here, "well", [], { SETTINGS_ENCRYPTION_KEY: "12".repeat(32) });
    await write(here, "well", [], { SETTINGS_ENCRYPTION_KEY: "12".repeat(32) });
    const values = parseEnvFile(read(here));
    assert(values.get("NEW").startsWith("v1.") && !read(here).includes("xxx"), "sealed");
    assertSame(unseal(sealingKey("12".repeat(32)), "NEW_COUNT", values.get("NEW_COUNT")), "2", "read, and written again");
    assert((await write(here, "well", [], { SETTINGS_ENCRYPTION_KEY: "short" })).out.startsWith("keys_bad_seal"), "a bad key writes nothing");
  });
  for (const [how, code] of [["full", "keys_disk_full"], ["full-lock", "keys_disk_full"], ["full-late", "keys_disk_full"], ["broken", "keys_io"], ["read-only", "keys_read_only"], ["busy", "keys_read_only"]])
    await check(`writing: ${how}: ${code}, and everything is as it was`, async () => {
      const here = fresh();
      const { out } = await write(here, how);
      assert(out.startsWith(`${code} `), out);
      assertSame(read(here), OLD, "content");
      assertSame(readdirSync(here), [".env.keys"], "files");
    });
  await check("writing: killed between the new file and the rename: the old one is whole, and the next who saves cleans up", async () => {
    const here = fresh();
    assertSame((await write(here, "killed")).signal, "SIGKILL", "how it ended");
    assertSame(read(here), OLD, "content");
    const left = readdirSync(here);
    assert(left.includes(".env.keys.lock") && left.some((name) => name.endsWith(".tmp")), `left behind: ${left}`);
    for (const name of left) assertSame(statSync(path.join(here, name)).mode & 0o077, name === ".env.keys" ? 0o044 : 0, `mode of ${name}`);
    assertSame((await write(here, "well")).out, "saved", "the next");
    assertSame(readdirSync(here), [".env.keys"], "files");
  });
  await check("writing: a lock of another machine, or of a process that goes by that number now, is waited for and then broken", async () => {
    for (const lock of [`elsewhere 1 ${"0".repeat(32)}`, "", `${(await import("node:os")).hostname()} ${process.pid} x`]) {
      const here = fresh();
      const file = path.join(here, ".env.keys.lock");
      writeFileSync(file, lock);
      const old = new Date(Date.now() - 60_000);
      utimesSync(file, old, old);
      assertSame((await write(here, "well")).out, "saved", lock);
    }
  });
  await check("writing: a lock that is held: nothing is written until it is free", async () => {
    const here = fresh();
    const file = path.join(here, ".env.keys.lock");
    writeFileSync(file, `elsewhere 1 ${"0".repeat(32)}`);
    let done = false;
    const writes = write(here, "well").then((result) => ((done = true), result));
    await sleep(700);
    assert(!done && read(here) === OLD, "it waits");
    rmSync(file);
    assertSame((await writes).out, "saved", "then");
  });
  await check("writing: five at once: nobody's change is lost, and who reads meanwhile sees whole files", async () => {
    const here = fresh();
    const TIMES = 20;
    const names = ["A", "B", "C", "D", "E"];
    let running = true;
    let seen = 0;
    const reads = (async () => {
      while (running) {
        const values = parseEnvFile(read(here));
        for (const name of names) if (values.has(name)) assertSame([values.get(name).length, values.has(`${name}_COUNT`)], [200, true], name);
        assertSame(values.get("OLD"), "value", "what was there");
        seen++;
        await sleep(1);
      }
    })();
    const outs = await Promise.all(names.map((name) => write(here, "well", [name, String(TIMES)])));
    running = false;
    await reads;
    assertSame(outs.map(({ out }) => out), names.map(() => "saved"), "outputs");
    const values = parseEnvFile(read(here));
    assertSame([...names.map((name) => values.get(`${name}_COUNT`)), values.get("ALL_COUNT")], [...names.map(() => String(TIMES)), String(TIMES * names.length)], "counts");
    assertSame(readdirSync(here), [".env.keys"], "files");
    assert(seen > 5, "it was read");
  });
}

async function dialects({ envFileOf, ENV_FORMATS }) {
  const nextEnv = createRequire(path.join(template, "package.json"))("@next/env");
  const folder = tempFolder("valetkey-dialects");
  const program = (file) => `process.stdout.write(JSON.stringify(Object.fromEntries(Object.entries(process.env).filter(([k]) => k.startsWith("VK_T_")))))${file ?? ""}`;
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("VK_T_")));
  const run = (command, args) => JSON.parse(spawnSync(command, args, { env: clean, encoding: "utf8" }).stdout || "null");
  const lines = (content, unquote) => Object.fromEntries(content.split("\n").filter((line) => line && !line.startsWith("#")).map((line) => [line.slice(0, line.indexOf("=")), unquote(line.slice(line.indexOf("=") + 1))]));
  const READERS = {
    next: (file, content) => {
      writeFileSync(path.join(folder, ".env.production"), content);
      const { combinedEnv } = nextEnv.loadEnvConfig(folder, false, { info() {}, error() {} }, true);
      const got = Object.fromEntries(Object.entries(combinedEnv).filter(([name]) => name.startsWith("VK_T_")));
      for (const name of Object.keys(got)) delete process.env[name];
      return got;
    },
    node: (file) => run(process.execPath, [`--env-file=${file}`, "-e", program()]),
    shell: (file) => run("sh", ["-c", `. "$1"; "$2" -e "$3"`, "sh", file, process.execPath, program()]),
    docker: (_, content) => lines(content, (raw) => raw),
    systemd: (_, content) => lines(content, (raw) => (raw.startsWith('"') ? raw.slice(1, -1).replace(/\\([\\"`$])/g, "$1") : raw)),
    dotenv: (_, content) => lines(content, (raw) => (raw.startsWith("'") ? raw.slice(1, -1) : raw)),
    json: (_, content) => JSON.parse(content),
  };
  for (const format of ENV_FORMATS)
    await check(`dialect ${format}: what it says is what its program reads, or it was refused by name`, () => {
      let written = 0;
      for (let round = 0; round < 6; round++) {
        const want = {};
        for (let i = 0; i < 40; i++) {
          const [name, value] = [`VK_T_${i}`, i < 10 ? text([..."aZ09_./:@%+,=-"]) + "1" : text()];
          try {
            envFileOf(format, [{ name, value }]);
            want[name] = value;
            written++;
          } catch (error) {
            assert(i >= 10 && error.message.includes(name) && (value.length < 4 || !error.message.includes(value)), `${error.message}: ${JSON.stringify(value)}`);
          }
        }
        const content = envFileOf(format, [{ remark: "it's a remark: $HOME" }, ...Object.entries(want).map(([name, value]) => ({ name, value }))]);
        const file = path.join(folder, `vars.${format}`);
        writeFileSync(file, content);
        assertSame(READERS[format](file, content), want, content);
      }
      assert(written > 60, `only ${written} were written`);
    });
}

async function hosts({ pushToHost, hostAsk }) {
  const variables = { set: [{ name: "OWN_SECRET", value: "s-mark", secret: true }, { name: "OWN_ID", value: "i-mark", secret: false }], clear: ["OVERRIDE", "ABSENT"] };
  const ask = (host, more = {}) => ({ host, token: "token-mark", project: "shop", dryRun: true, ...more });
  const refusedWith = async (promise) => {
    try {
      await promise;
    } catch (error) {
      assert(!/mark/.test(error.message), error.message);
      return [error.status, error.code];
    }
    return null;
  };

  /** Vercel, as its documents say; `twist` changes an answer. */
  const vercel = (twist = (answer) => answer) => {
    const envs = [{ id: "e1", key: "OWN_ID", target: ["production", "preview"] }, { id: "e2", key: "OVERRIDE", target: ["production"] }, { id: "e3", key: "OWN_SECRET", target: "development" }];
    const calls = [];
    const send = async (method, at, body) => {
      calls.push([method, at, body]);
      let answer = { status: 404, body: {} };
      if (method === "GET") answer = { status: 200, body: { envs: [...envs] } };
      if (method === "POST") {
        for (const { key, target } of body) envs.push({ id: `n${key}`, key, target });
        answer = { status: 201, body: { created: body, failed: [] } };
      }
      if (method === "DELETE") {
        envs.splice(envs.findIndex(({ id }) => at.includes(`/env/${id}`)), 1);
        answer = { status: 200, body: {} };
      }
      return twist(answer, method, at);
    };
    return { calls, send };
  };
  await check("host: a dry run is the default, asks for names alone and changes nothing", async () => {
    assertSame(hostAsk.parse({ host: "vercel", token: "12345678", project: "p" }).dryRun, true, "default");
    const { calls, send } = vercel();
    assertSame(await pushToHost(ask("vercel"), variables, send), { plan: [{ name: "OWN_SECRET", action: "add" }, { name: "OWN_ID", action: "replace" }, { name: "OVERRIDE", action: "remove" }], applied: false }, "answer");
    assertSame(calls.map(([method]) => method), ["GET"], "calls");
  });
  await check("host: Vercel gets secrets as sensitive ones, for production, and what would send keys to the build goes", async () => {
    const { calls, send } = vercel();
    assertSame((await pushToHost(ask("vercel", { dryRun: false, team: "team_1" }), variables, send)).applied, true, "applied");
    assertSame(calls, [
      ["GET", "/v10/projects/shop/env?teamId=team_1", undefined],
      ["POST", "/v10/projects/shop/env?upsert=true&teamId=team_1", [{ key: "OWN_SECRET", value: "s-mark", type: "sensitive", target: ["production"] }, { key: "OWN_ID", value: "i-mark", type: "encrypted", target: ["production"] }]],
      ["DELETE", "/v9/projects/shop/env/e2?teamId=team_1", undefined],
      ["GET", "/v10/projects/shop/env?teamId=team_1", undefined],
    ], "calls");
  });
  const netlify = () => {
    const envs = [{ key: "OWN_ID", values: [{ context: "all" }] }, { key: "OVERRIDE", values: [{ context: "production" }] }, { key: "OWN_SECRET", values: [{ context: "dev" }] }];
    const calls = [];
    const send = async (method, at, body) => {
      calls.push([method, at, body]);
      if (at.startsWith("/api/v1/sites/")) return { status: 200, body: { account_id: "acc" } };
      if (method === "GET") return { status: 200, body: [...envs] };
      if (method === "POST") envs.push(...body);
      if (method === "DELETE") envs.splice(envs.findIndex(({ key }) => at.includes(`/env/${key}?`)), 1);
      return { status: method === "DELETE" ? 204 : 200, body: null };
    };
    return { calls, send };
  };
  await check("host: Netlify: the site's account, new ones and changed ones each their own way, secrets marked", async () => {
    const { calls, send } = netlify();
    assertSame((await pushToHost(ask("netlify", { dryRun: false }), variables, send)).applied, true, "applied");
    assertSame(calls.map(([method, at]) => `${method} ${at}`), ["GET /api/v1/sites/shop", "GET /api/v1/accounts/acc/env?site_id=shop", "POST /api/v1/accounts/acc/env?site_id=shop", "PUT /api/v1/accounts/acc/env/OWN_ID?site_id=shop",
      "DELETE /api/v1/accounts/acc/env/OVERRIDE?site_id=shop", "GET /api/v1/accounts/acc/env?site_id=shop"], "calls");
    assertSame(calls[2][2], [{ key: "OWN_SECRET", values: [{ context: "production", value: "s-mark" }], is_secret: true, scopes: ["builds", "functions", "runtime"] }], "body");
  });
  for (const [name, twist, want] of [
    ["a token that may not", () => ({ status: 403, body: {} }), [422, "host_refused"]],
    ["no such project", () => ({ status: 404, body: {} }), [422, "host_not_found"]],
    ["too often", () => ({ status: 429, body: {} }), [503, "host_busy"]],
    ["no answer", () => ({ status: 0, body: null }), [503, "host_unreachable"]],
    ["another shape", () => ({ status: 200, body: { envs: "no" } }), [502, "host_answer"]],
    ["a server that failed", () => ({ status: 500, body: "secret s-mark" }), [502, "host_answer"]],
    ["some not taken", (a, method) => (method === "POST" ? { status: 201, body: { created: [], failed: [{ error: { key: "OWN_ID" } }] } } : a), [502, "host_partly"]],
    ["said yes and did nothing", (a, method) => (method === "GET" ? { status: 200, body: { envs: [] } } : { status: 200, body: {} }), [502, "host_partly"]],
  ])
    await check(`host: ${name}: said so, without token and values`, async () =>
      assertSame(await refusedWith(pushToHost(ask("vercel", { dryRun: false }), variables, vercel(twist).send)), want, "error"));
  await check("host: nothing that was typed reaches the address", () => {
    for (const bad of [{ project: "../x" }, { project: ".." }, { project: "." }, { team: ".." }, { project: "a/b" }, { project: "a?b" }, { team: "a&b=c" }, { token: "a b c d e f" }, { token: "short" }, { token: "x\r\nx-a: b12345" }, { host: "fly" }, { url: "https://example.com" }, { dryRun: "no" }])
      assert(!hostAsk.safeParse({ ...ask("vercel"), ...bad }).success, JSON.stringify(bad));
  });
}

async function addresses({ publicAddress }) {
  await check("webhook: only a name that others reach by https is an address for it", () => {
    for (const good of ["https://shop.example.com", "https://a.b.co", "https://xn--bcher-kva.example"]) assertSame(publicAddress(good), good, good);
    for (const bad of [null, "", "http://shop.example.com", "https://localhost", "https://shop", "https://127.0.0.1", "https://10.0.0.1", "https://[::1]", "https://2130706433", "https://shop.local", "https://app.localhost", "https://shop.internal", "https://shop.example.com:8443", "ftp://shop.example.com", "https://shop.local."])
      assertSame(publicAddress(bad), null, String(bad));
  });
}

async function bundles({ leaksIn, secretsOf, checkBundle }) {
  const live = `sk_live_${"a1B2".repeat(8)}`; // of the shape, nobody's
  const env = { MY_API_TOKEN: "tok 9/with=signs", SHORT_KEY: "a1", WORDS_SECRET: "no-digits-at-all-here", NEXT_PUBLIC_THING_KEY: "public-value-1234", AWS_ACCESS_KEY_ID: "AKIA1234567890AB", PATH: "/usr/bin/12345678" };
  const bundle = (files) => {
    const folder = tempFolder("valetkey-bundle");
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(path.join(folder, path.dirname(name)), { recursive: true });
      writeFileSync(path.join(folder, name), content);
    }
    return folder;
  };
  await check("bundle: a value of a secret's name is found, as it is and in an address", () =>
    inFolder({ SETTINGS_ENCRYPTION_KEY: undefined }, () => {
      writeFileSync(".env.keys", "CLERK_SECRET_KEY=over1lay2value3\nNEXT_PUBLIC_CLERK_PUBLISHABLE_KEY=pk_of_1234567890\n");
      const secrets = secretsOf(env);
      assertSame([...new Set(secrets.values())].sort(), ["CLERK_SECRET_KEY", "MY_API_TOKEN"], "names");
      const found = leaksIn(bundle({ "chunks/a.js": 'x="tok 9/with=signs"', "chunks/b.js": "u=/tok%209%2Fwith%3Dsigns/", "c.js.map": "over1lay2value3", "d.js": "public-value-1234 AKIA1234567890AB" }), secrets);
      assertSame(found.map((line) => line.trim()).sort(), ["c.js.map holds the value of CLERK_SECRET_KEY", "chunks/a.js holds the value of MY_API_TOKEN", "chunks/b.js holds the value of MY_API_TOKEN"], "found");
    }));
  await check("bundle: the shape of a secret key is enough; a hint and a publishable key are none", () => {
    const shapes = { "a.js": `"${live}"`, "b.js": `whsec_${"Ab1/".repeat(8)}`, "c.js": withChecksum(`vk_b_${"x".repeat(30)}`), "d.js": `-----BEGIN RSA ${"PRIVATE"} KEY-----`, "e.js": "sk_live_… sk_test_ whsec_ vk_b_ pk_live_abcdefghijklmnopqrstuvwxyz risk_test_abcdefghijklmnopqr" };
    assertSame(leaksIn(bundle(shapes), new Map()).length, 4, "found");
    let message = "";
    try {
      checkBundle(bundle({ "a.js": live }), {});
    } catch (error) {
      message = error.message;
    }
    assert(message.includes("a.js holds what looks like a secret key") && !message.includes("a1B2"), message);
  });
}
