// Shows the component kit: serves what the kit test printed, with the product's headers, and photographs it.
//   node kit.mjs            serve on http://127.0.0.1:8899/console until stopped
//   node kit.mjs <folder>   write <page>-<theme>-<width>.png into the folder
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";

const kit = new URL("../target/kit/", import.meta.url).pathname;
const dist = new URL("dist/", import.meta.url).pathname;
const PAGES = ["console", "portal", "auth", "error"];
const TYPES = { ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".woff2": "font/woff2" };
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

function answer({ url }, response) {
  const { pathname, searchParams } = new URL(url, "http://kit");
  const asset = pathname.startsWith("/assets/");
  const file = asset ? join(dist, pathname.slice(8)) : join(kit, `${pathname.slice(1)}.html`);
  if (pathname.includes("..") || !existsSync(file)) return response.writeHead(404).end("There is no such file.");
  const type = asset ? TYPES[extname(file)] : "text/html; charset=utf-8";
  let body = readFileSync(file);
  const theme = searchParams.get("theme");
  if (theme && !asset) body = body.toString().replace("<html", `<html data-theme="${theme}"`);
  response.writeHead(200, { "content-type": type, "content-security-policy": POLICY }).end(body);
}

/** One picture; a profile of its own keeps pictures independent of each other. */
function photograph(url, file, width, height) {
  const profile = mkdtempSync(join(tmpdir(), "kit-"));
  const flags = ["--headless", "--no-sandbox", "--hide-scrollbars", "--virtual-time-budget=4000", "--enable-logging=stderr",
    `--user-data-dir=${profile}`, `--window-size=${width},${height}`, `--screenshot=${file}`, url];
  return new Promise((done) => {
    const browser = spawn("chromium", flags, { stdio: ["ignore", "ignore", "pipe"] });
    let log = "";
    browser.stderr.on("data", (piece) => (log += piece));
    browser.on("close", () => {
      rmSync(profile, { recursive: true, force: true });
      done(log.split("\n").filter((line) => line.includes(":CONSOLE")));
    });
  });
}

const server = createServer(answer);
const folder = process.argv[2];
server.listen(folder ? 0 : 8899, "127.0.0.1", async () => {
  const base = `http://127.0.0.1:${server.address().port}`;
  console.log(`kit: ${base}/console`);
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  const complaints = [];
  for (const page of process.argv[3]?.split(",") ?? PAGES) {
    for (const theme of ["light", "dark"]) {
      for (const [width, height] of [[1440, page === "console" ? 4200 : 900], [500, page === "console" ? 7200 : 900]]) {
        const file = join(folder, `${page}-${theme}-${width}.png`);
        complaints.push(...(await photograph(`${base}/${page}?theme=${theme}`, file, width, height)));
      }
    }
  }
  console.log(complaints.length ? complaints.join("\n") : "kit: no complaint in the browser's console");
  server.close();
  process.exitCode = complaints.length ? 1 : 0;
});
