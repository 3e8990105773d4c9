// What a builder platform has in front of an app: TLS for its name. preview.mjs CERTIFICATE KEY ADDRESS PORT APP-PORT
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";

const [cert, key, address, port, app] = process.argv.slice(2);
https
  .createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (req, res) => {
    const to = http.request({ host: "127.0.0.1", port: app, method: req.method, path: req.url, headers: { ...req.headers, "x-forwarded-proto": "https" } }, (answer) => {
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
    });
    to.on("error", () => res.destroy());
    req.pipe(to);
  })
  .listen(Number(port), address, () => console.log("ready"));
