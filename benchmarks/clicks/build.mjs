/* Builds the benchmark's pages into a folder: node benchmarks/clicks/build.mjs OUT */

import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const vite = createRequire(join(here, '../../web/package.json')).resolve('vite')
const { build } = await import(pathToFileURL(vite))
await build({
  root: here,
  base: '/',
  configFile: false,
  logLevel: 'warn',
  build: {
    target: 'es2022',
    outDir: process.argv[2],
    emptyOutDir: true,
    modulePreload: false,
    rolldownOptions: { input: ['presenter.html', 'receiver.html', 'connect.html'].map((page) => join(here, page)) },
  },
})
