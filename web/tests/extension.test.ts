/* Which policy the leak shield sets. What a browser makes of it: tests/nat/test_leaktest.py. */

import { expect, test, vi } from 'vitest'
import { BEGINNING, browserMode, held, modeOf, readSettings, type Settings, siteOf } from '../extension/policy.ts'

const ROOM = 'https://clicker.example'
const settings = (everywhere: Settings['everywhere'], sites: Settings['sites'] = {}): Settings => ({ everywhere, sites })

test('a site is a scheme and a host', () => {
  expect(siteOf('https://clicker.example:8443/p/abc#secret')).toBe(ROOM)
  for (const url of ['chrome://extensions', 'file:///etc/passwd', 'about:blank', '', undefined]) expect(siteOf(url)).toBeNull()
})

test('it begins strict, and what was stored wrongly changes nothing', () => {
  expect(readSettings({})).toEqual(BEGINNING)
  expect(readSettings({ everywhere: 'anything', sites: { [ROOM]: 'anything', 'https://a': 'default' } })).toEqual(
    settings('disable_non_proxied_udp', { 'https://a': 'default' }),
  )
})

test('the browser follows the pages in front', () => {
  const some = settings('disable_non_proxied_udp', { [ROOM]: 'default_public_interface_only' })
  expect(browserMode(some, [])).toBe('disable_non_proxied_udp')
  expect(browserMode(some, [null])).toBe('disable_non_proxied_udp')
  expect(browserMode(some, ['https://other.example'])).toBe('disable_non_proxied_udp')
  expect(browserMode(some, [ROOM])).toBe('default_public_interface_only')
  expect(browserMode(some, ['https://other.example', ROOM])).toBe('default_public_interface_only')
  expect(browserMode(settings('default', { [ROOM]: 'disable_non_proxied_udp' }), [ROOM])).toBe('disable_non_proxied_udp')
  expect(modeOf(some, 'https://other.example')).toBe('disable_non_proxied_udp')
})

test('pages that may have relays only are held while another may have more', () => {
  expect(held(BEGINNING)).toBeNull()
  expect(held(settings('disable_non_proxied_udp', { [ROOM]: 'default' }))).toEqual({ matches: ['<all_urls>'], excludeMatches: [`${ROOM}/*`] })
  expect(held(settings('default', { [ROOM]: 'disable_non_proxied_udp' }))).toEqual({ matches: [`${ROOM}/*`], excludeMatches: [] })
  expect(held(settings('default'))).toBeNull()
})

test('Firefox has its own word for the strictest, and is not given what makes it tell more', async () => {
  vi.stubGlobal('location', { protocol: 'moz-extension:' })
  vi.resetModules()
  const firefox = await import('../extension/policy.ts')
  vi.unstubAllGlobals()
  expect(firefox.MODES).toEqual(['default', 'default_public_and_private_interfaces', 'proxy_only'])
  expect([firefox.BEGINNING.everywhere, firefox.LET_THROUGH]).toEqual(['proxy_only', 'default_public_and_private_interfaces'])
  const stored = { everywhere: 'disable_non_proxied_udp', sites: { [ROOM]: firefox.LET_THROUGH, 'https://a': 'default_public_interface_only' } }
  const read = firefox.readSettings(stored)
  expect(read).toEqual({ everywhere: 'proxy_only', sites: { [ROOM]: firefox.LET_THROUGH } })
  expect(firefox.browserMode(read, ['https://a'])).toBe('proxy_only')
  expect(firefox.browserMode(read, ['https://a', ROOM])).toBe(firefox.LET_THROUGH)
  expect(firefox.held(read)).toEqual({ matches: ['<all_urls>'], excludeMatches: [`${ROOM}/*`] })
})
