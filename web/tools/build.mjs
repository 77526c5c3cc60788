/* Builds the pages into dist/, each on its own: nobody opens two of them on one phone, and a page in one piece is
 * smaller than two pieces that fit together. No source maps, nothing inlined (the pages run under a strict content
 * security policy), and everything lies compressed beside itself, by Brotli and by gzip, so that the server only has to pick a file. */

import { createHash } from 'node:crypto'
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { minify } from 'terser'
import { build } from 'vite'

/** What Vite minified gets 2 % smaller once more: the presenter page's budget is worth it. */
const SMALLER = { ecma: 2022, module: true, compress: { passes: 3, unsafe: true, unsafe_arrows: true } }

/** What browsers take over HTTPS (docs/decisions/0024); gzip is for the others. */
const BROTLI = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT }

/** Vite would have a dynamic import look for style sheets to load first. Here is none that needs it. */
const PLAIN_IMPORTS = {
  name: 'plain-imports',
  enforce: 'pre',
  load: (id) => (id === '\0vite/preload-helper.js' ? 'export const __vitePreload = (load) => load()' : null),
}

/** The script is asked for before the style sheet, and run as soon as it is here: deferred scripts wait for style sheets,
 * which on a connection that carries one answer at a time is a round trip. It stands at the end, so that whenever it runs
 * all of the page is there. */
const SCRIPT_FIRST = {
  name: 'script-first',
  enforce: 'post',
  transformIndexHtml: (html) => {
    const [tag = '', url = ''] = /<script type="module" crossorigin src="([^"]+)"><\/script>/.exec(html) ?? []
    const preload = `<link rel="modulepreload" crossorigin href="${url}">`
    return html.replace(tag, preload).replace('</body>', tag.replace('<script', '<script async') + '</body>')
  },
}

/** What media need of the direct connection stays in its script, which is there first: in one of its own it would be one
 * more round trip before the connection. */
const IN_ONE_PIECE = [{ name: 'peer', test: /\/transport\/(peer|negotiation)\.ts$/ }]

const root = fileURLToPath(new URL('..', import.meta.url))

/** What is the same in several pages is written once: a line `<!-- include FILE -->` is that file of `src/ui`. */
const INCLUDES = {
  name: 'includes',
  transformIndexHtml: {
    order: 'pre',
    handler: (html) =>
      html.replace(/^( *)<!-- include (\S+) -->\n/gm, (_, indent, file) =>
        readFileSync(join(root, 'src/ui', file), 'utf8').replace(/^(?=.)/gm, indent),
      ),
  },
}

/** Browsers remember that a module could not be loaded, and by which address. So an import may be given another. */
const withQuery = (code) => code.replace(/\bimport\((["'`])(\.\/[^"'`]+)\1\)/g, 'import($1$2$1+importQuery)')

/** Subresource integrity: a page takes its script and its style as they were built, or not at all. What a script imports
 * later has no such mark: without inline code there is no place for it. */
const withIntegrity = (html, dist) =>
  html.replace(/<(?:script|link)\b[^>]*?\b(?:src|href)="\/([^"]+\.(?:js|css))"/g, (tag, file) => {
    const digest = createHash('sha384').update(readFileSync(join(dist, file))).digest('base64')
    return `${tag} integrity="sha384-${digest}"`
  })

/** Builds into `dist`, which is emptied first. Says what is there, and how large it is for who downloads it. */
export async function buildPages(dist) {
  rmSync(dist, { recursive: true, force: true })
  for (const page of ['presenter', 'operator', 'deck', 'program', 'account', 'leaktest']) {
    await build({
      root,
      base: '/',
      configFile: false,
      logLevel: 'warn',
      plugins: [PLAIN_IMPORTS, INCLUDES, SCRIPT_FIRST],
      build: {
        target: 'es2022',
        outDir: dist,
        emptyOutDir: false,
        sourcemap: false,
        assetsInlineLimit: 0,
        modulePreload: false,
        rolldownOptions: {
          input: join(root, `${page}.html`),
          // The program page is there for media: it has all of it in its own script, integrity mark and all.
          output: { codeSplitting: { groups: page === 'program' ? [] : IN_ONE_PIECE } },
        },
      },
    })
  }
  const files = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  for (const { parentPath, name } of files.filter((entry) => entry.name.endsWith('.js'))) {
    const path = join(parentPath, name)
    const smaller = await minify(withQuery(readFileSync(path, 'utf8')), SMALLER)
    writeFileSync(path, smaller.code ?? '')
  }
  for (const { parentPath, name } of files.filter((entry) => entry.name.endsWith('.html'))) {
    const path = join(parentPath, name)
    writeFileSync(path, withIntegrity(readFileSync(path, 'utf8'), dist))
  }
  const built = []
  for (const entry of files) {
    const path = join(entry.parentPath, entry.name)
    const data = readFileSync(path)
    const compressed = brotliCompressSync(data, { params: { ...BROTLI, [constants.BROTLI_PARAM_SIZE_HINT]: data.length } })
    writeFileSync(`${path}.br`, compressed)
    writeFileSync(`${path}.gz`, gzipSync(data, { level: 9 }))
    built.push({ name: relative(dist, path), compressed: compressed.length })
  }
  return built
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { name, compressed } of await buildPages(join(root, 'dist'))) {
    process.stdout.write(`${name.padEnd(40)} ${String(compressed).padStart(6)} bytes compressed\n`)
  }
}
