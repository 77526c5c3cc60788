/* What a phone downloads: the promised size, and nothing that a strict content security policy would refuse. */

import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildPages } from '../tools/build.mjs'

const PAGES = ['presenter', 'operator', 'deck', 'program', 'account', 'leaktest']
const dist = mkdtempSync(join(tmpdir(), 'slidewire-web-'))
let files: { name: string; compressed: number }[]
beforeAll(async () => {
  files = await buildPages(dist)
}, 60_000)
afterAll(() => rmSync(dist, { recursive: true }))

const page = (name: string): string => readFileSync(join(dist, `${name}.html`), 'utf8')
const assets = (name: string, ending: string): { name: string; compressed: number }[] =>
  files.filter((file) => file.name.endsWith(ending) && page(name).includes(`"/${file.name}"`))
const size = (of: { compressed: number }[]): number => of.reduce((total, { compressed }) => total + compressed, 0)

test('the presenter page is one script of at most 15 KB and one style sheet of at most 5 KB, compressed', () => {
  const [scripts, styles] = [assets('presenter', '.js'), assets('presenter', '.css')]
  expect([scripts.length, styles.length]).toEqual([1, 1])
  expect(size(scripts)).toBeLessThanOrEqual(15 * 1024)
  expect(size(styles)).toBeLessThanOrEqual(5 * 1024)
})

test('what comes behind it: the direct connection in at most 3 KB, and the rest of the page in at most 4 KB', () => {
  const pages = readdirSync(dist).filter((name) => name.endsWith('.html')).map((name) => page(name.slice(0, -5))).join()
  const later = files.filter(({ name }) => name.endsWith('.js') && !pages.includes(name))
  const named = (what: string): typeof later => later.filter(({ name }) => name.startsWith(`assets/${what}-`))
  expect(later.length).toBe(['peer', 'deferred', 'shield', 'speaker', 'watcher'].flatMap(named).length)
  for (const { compressed } of named('peer')) expect(compressed).toBeLessThanOrEqual(3 * 1024)
  expect(size(named('deferred'))).toBeLessThanOrEqual(4 * 1024)
  expect(named('shield').length).toBe(1)
  expect(size(named('shield'))).toBeLessThanOrEqual(2 * 1024)
  // Media, when somebody asks for them: on the presenter page and on the operator's.
  expect([named('speaker').length, named('watcher').length]).toEqual([1, 1])
  expect(size(named('speaker'))).toBeLessThanOrEqual(9 * 1024)
  expect(size(named('watcher'))).toBeLessThanOrEqual(6 * 1024)
  const [first] = assets('presenter', '.js')
  // Asked for again after a failure they need another address, because browsers remember failures by it.
  for (const what of ['peer', 'deferred']) {
    const asked = new RegExp(`import\\(["'\`]\\./${what}-[\\w-]+\\.js["'\`]\\+importQuery\\)`)
    expect(readFileSync(join(dist, first?.name ?? ''), 'utf8')).toMatch(asked)
  }
})

test.each(PAGES)('the %s page asks for its script first, and runs it when all of it is there', (name) => {
  const [, first] = /<link [^>]*href="([^"]*\.(?:js|css))"/.exec(page(name)) ?? []
  expect(first).toMatch(/\.js$/)
  expect(page(name)).toMatch(new RegExp(`<script async type="module" crossorigin src="${first}" integrity="[^"]+"></script></body>\\s*</html>\\s*$`))
})

test.each(PAGES)('the %s page has nothing inline and asks nobody else for anything', (name) => {
  expect(assets(name, '.js').length).toBe(1)
  expect(page(name)).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:|data:/i)
  expect([...page(name).matchAll(/(?:src|href)="([^"]*)"/g)].every(([, url]) => /^\/assets\/[\w.-]+$/.test(url ?? ''))).toBe(true)
  for (const { name: script } of assets(name, '.js')) {
    expect(readFileSync(join(dist, script), 'utf8')).not.toMatch(/\beval\(|new Function|sourceMappingURL|https?:\/\/(?!www\.w3\.org\/2000\/svg)\w/)
  }
})

test.each(PAGES)('the %s page takes its script and its style as they were built, or not at all', (name) => {
  const tags = [...page(name).matchAll(/<(?:script|link)[^>]*(?:src|href)="\/([^"]+\.(?:js|css))"[^>]*>/g)]
  expect(tags.length).toBe(3) // what is asked for first, the style, the script
  for (const [tag, file] of tags) {
    const digest = createHash('sha384').update(readFileSync(join(dist, file ?? ''))).digest('base64')
    expect(tag).toContain(` integrity="sha384-${digest}"`)
    expect(tag).toContain(' crossorigin')
  }
})

test('no script makes markup or code of strings: the pages run under Trusted Types without a policy', () => {
  const scripts = files.filter(({ name }) => name.endsWith('.js'))
  expect(scripts.length).toBeGreaterThan(PAGES.length)
  for (const { name } of scripts) {
    expect(readFileSync(join(dist, name), 'utf8'), name).not.toMatch(
      /\b(?:innerHTML|outerHTML|srcdoc|insertAdjacentHTML|setHTMLUnsafe|createContextualFragment|DOMParser|parseHTMLUnsafe|document\.write|importScripts|(?:Shared)?Worker\(|Function\(['"`]|createElement\(['"`](?:script|iframe|embed|object)['"`])/,
    )
  }
})

test('everything lies compressed beside itself, and there are no source maps', () => {
  const names = readdirSync(dist, { recursive: true, encoding: 'utf8' })
  expect(names.filter((name) => name.endsWith('.map'))).toEqual([])
  for (const { name } of files) {
    const data = readFileSync(join(dist, name))
    expect(brotliDecompressSync(readFileSync(join(dist, `${name}.br`))).equals(data)).toBe(true)
    expect(gunzipSync(readFileSync(join(dist, `${name}.gz`))).equals(data)).toBe(true)
  }
})
