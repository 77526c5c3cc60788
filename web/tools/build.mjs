/* Builds the three pages into dist/, each on its own: nobody opens two of them on one phone, and a page in one piece is
 * smaller than two pieces that fit together. No source maps, nothing inlined (the pages run under a strict content
 * security policy), and a .gz beside everything a browser asks for, so that the server only has to pick a file. */

import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { constants, gzipSync } from 'node:zlib'
import { build } from 'vite'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')

rmSync(dist, { recursive: true, force: true })
for (const page of ['presenter', 'operator', 'deck']) {
  await build({
    root,
    base: '/',
    configFile: false,
    logLevel: 'warn',
    build: {
      target: 'es2022',
      outDir: dist,
      emptyOutDir: false,
      sourcemap: false,
      assetsInlineLimit: 0,
      modulePreload: false,
      rolldownOptions: { input: join(root, `${page}.html`) },
    },
  })
}

for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue
  const path = join(entry.parentPath, entry.name)
  const compressed = gzipSync(readFileSync(path), { level: constants.Z_BEST_COMPRESSION })
  writeFileSync(`${path}.gz`, compressed)
  process.stdout.write(`${path.slice(dist.length + 1).padEnd(40)} ${String(compressed.length).padStart(6)} bytes compressed\n`)
}
