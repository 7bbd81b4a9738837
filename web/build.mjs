// Builds what browsers get: styles, islands, fonts and the icon sprite, with hashed names and packed ahead.
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "dist");
const BROWSERS = ["chrome123", "firefox121", "safari17.5"];
// Compressed bytes of the first visit, the charts' styles among them; a page that outgrows these is looked at, not shrugged at.
const BUDGET = { "app.css": 10_000, "portal.css": 3_000, "shell.js": 22_000, fonts: 53_000 };

/** One file with every icon that pages use, each a symbol to point at. */
function sprite(names) {
  const symbols = names.map((name) => {
    const file = join(here, "node_modules/lucide-static/icons", `${name}.svg`);
    if (!existsSync(file)) throw new Error(`icons.txt: lucide has no icon "${name}"`);
    const inner = readFileSync(file, "utf8").replace(/<!--.*?-->/gs, "").match(/<svg[^>]*>(.*)<\/svg>/s)[1];
    return `<symbol id="${name}" viewBox="0 0 24 24">${inner.replace(/\s*\n\s*/g, "").trim()}</symbol>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>`;
}

/** Writes `content` under a name that changes with it. */
function hashed(directory, name, content) {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 8).toUpperCase();
  const file = name.replace(/(\.\w+)$/, `-${hash}$1`);
  writeFileSync(join(directory, file), content);
  return file;
}

/** Adds `.br` and `.gz` beside every file that becomes smaller by it. */
function pack(directory) {
  const sizes = {};
  for (const file of readdirSync(directory)) {
    const content = readFileSync(join(directory, file));
    sizes[file] = content.length;
    if (file.endsWith(".woff2")) continue;
    const packed = gzipSync(content, { level: 9 });
    sizes[file] = packed.length;
    writeFileSync(join(directory, `${file}.gz`), packed);
    const quality = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
    writeFileSync(join(directory, `${file}.br`), brotliCompressSync(content, { params: quality }));
  }
  return sizes;
}

function checkBudget(manifest, sizes) {
  const fonts = manifest.fonts.reduce((sum, file) => sum + sizes[file], 0);
  const size = (name) => sizes[manifest.files[name]];
  const used = { "app.css": size("app.css"), "portal.css": size("portal.css"), "shell.js": size("shell.js"), fonts };
  for (const [name, limit] of Object.entries(BUDGET)) {
    if (used[name] > limit) throw new Error(`${name} has ${used[name]} bytes compressed, the budget is ${limit}`);
  }
  return Object.entries(used).map(([name, size]) => `${name} ${size}`).join(", ");
}

/** Which output belongs to which entry, and which fonts the styles pulled in. */
function readOutputs(metafile) {
  const files = {};
  const fonts = [];
  for (const [path, output] of Object.entries(metafile.outputs)) {
    const file = basename(path);
    if (output.entryPoint === "styles/index.css") files["app.css"] = file;
    else if (/^(styles|islands)\//.test(output.entryPoint)) files[basename(output.entryPoint)] = file;
    else if (file.endsWith(".woff2")) fonts.push(file);
  }
  return { files, fonts: fonts.sort() };
}

async function build() {
  const work = join(here, `.dist-${process.pid}`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work);
  try {
    const { metafile } = await esbuild.build({
      absWorkingDir: here,
      entryPoints: ["styles/index.css", "styles/portal.css", "islands/shell.js"],
      outdir: work,
      bundle: true,
      splitting: true,
      minify: true,
      format: "esm",
      target: BROWSERS,
      metafile: true,
      entryNames: "[name]-[hash]",
      chunkNames: "[name]-[hash]",
      assetNames: "[name]-[hash]",
      loader: { ".woff2": "file" },
      legalComments: "none",
      logLevel: "warning",
    });
    const icons = readFileSync(join(here, "icons.txt"), "utf8").split("\n").filter(Boolean);
    const manifest = { ...readOutputs(metafile), icons };
    manifest.files["icons.svg"] = hashed(work, "icons.svg", sprite(icons));
    manifest.files["favicon.svg"] = hashed(work, "favicon.svg", readFileSync(join(here, "styles/favicon.svg")));
    const summary = checkBudget(manifest, pack(work));
    writeFileSync(join(work, "manifest.json"), JSON.stringify(manifest));
    replaceTarget(work);
    console.log(`assets: ${summary} (compressed bytes)`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Puts the finished build in place; the manifest goes last, so that a half-copied build is never taken. */
function replaceTarget(work) {
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target);
  for (const file of readdirSync(work).filter((name) => name !== "manifest.json")) cpSync(join(work, file), join(target, file));
  renameSync(join(work, "manifest.json"), join(target, "manifest.json"));
}

await build();
