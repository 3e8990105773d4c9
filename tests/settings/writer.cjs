// Writes .env.keys as the app does, in a process of its own: node writer.cjs PARTS FOLDER HOW [NAME TIMES]
const fs = require("node:fs");
const path = require("node:path");

const [, , parts, folder, how, name, times] = process.argv;
process.chdir(folder);
const { changeOverlay } = require(path.join(parts, "overlay-file.js"));

const failing = (fn, code, when = () => true) => {
  const real = fs[fn];
  fs[fn] = (...args) => {
    if (!when(...args)) return real(...args);
    throw Object.assign(new Error(code), { code });
  };
};
const isTemp = (file) => String(file).endsWith(".tmp");

switch (how) {
  case "killed": {
    const real = fs.renameSync;
    fs.renameSync = (from, to) => (to.endsWith(".env.keys") ? process.kill(process.pid, "SIGKILL") : real(from, to));
    break;
  }
  case "full": {
    let wrote = 0;
    const real = fs.writeSync;
    let temp;
    const open = fs.openSync;
    fs.openSync = (file, ...more) => {
      const fd = open(file, ...more);
      if (isTemp(file)) temp = fd;
      return fd;
    };
    // The first bytes still fit.
    fs.writeSync = (fd, bytes, ...more) => {
      if (fd !== temp) return real(fd, bytes, ...more);
      if (wrote++ > 0) throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
      return real(fd, bytes.subarray(0, 5));
    };
    break;
  }
  case "full-lock":
    failing("writeSync", "ENOSPC");
    break;
  case "full-late":
    failing("fsyncSync", "ENOSPC");
    break;
  case "broken":
    failing("fsyncSync", "EIO");
    break;
  case "read-only":
    failing("openSync", "EROFS", (_, flags) => flags !== "r");
    break;
  case "busy":
    failing("renameSync", "EBUSY", (_, to) => to.endsWith(".env.keys"));
    break;
}

const more = (now, key) => [`${key}_COUNT`, String(Number(now.get(`${key}_COUNT`) ?? 0) + 1)];

// Who writes many times asks again when others had the lock for as long as one waits for it: nothing was changed then.
const change = (key) => changeOverlay((now) => new Map([[key, "x".repeat(200)], more(now, key), more(now, "ALL")]))
  .catch((error) => (times !== undefined && error.code === "keys_busy" ? change(key) : Promise.reject(error)));

(async () => {
  for (let i = 0; i < Number(times ?? 1); i++) await change(name ?? "NEW");
  console.log("saved");
})().catch((error) => console.log(error.code, error.message));
