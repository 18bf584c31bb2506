// Puts a Brotli and a gzip form beside every larger text file of the built page, for the server to send.
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const folder = new URL("../src/alcove/page/", import.meta.url).pathname;
const compressible = /\.(js|mjs|css|html|svg|json|webmanifest|txt|wasm)$/;
const worthwhile = 1024;

for (const entry of readdirSync(folder, { recursive: true })) {
  const path = join(folder, String(entry));
  if (!compressible.test(path) || !statSync(path).isFile()) continue;
  const content = readFileSync(path);
  if (content.length < worthwhile) continue;
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } };
  writeFileSync(`${path}.br`, brotliCompressSync(content, quality));
  writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
}
