/* Builds the leak shield into extension/dist, ready to be loaded: each script by itself, because content scripts cannot
 * import anything. */

import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'

const source = fileURLToPath(new URL('../extension', import.meta.url))
const SCRIPTS = ['background', 'watch', 'hold', 'bridge', 'popup']
const FILES = ['manifest.json', 'popup.html', 'popup.css']

export async function buildExtension(outDir = join(source, 'dist')) {
  rmSync(outDir, { recursive: true, force: true })
  mkdirSync(outDir, { recursive: true })
  for (const name of SCRIPTS) {
    const lib = { entry: join(source, `${name}.ts`), formats: ['iife'], name: 'shield', fileName: () => `${name}.js` }
    const options = { target: 'es2022', outDir, emptyOutDir: false, sourcemap: false, minify: false, lib }
    await build({ root: source, configFile: false, logLevel: 'warn', publicDir: false, build: options })
  }
  for (const name of FILES) cpSync(join(source, name), join(outDir, name))
  return outDir
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(`${await buildExtension(process.argv[2])}\n`)
