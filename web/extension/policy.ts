/* Which of the browser's WebRTC policies holds, and for which pages: decided here, without a browser.
 *
 * The browser has one policy for all pages at a time. So it follows the pages in front: the loosest that one of them may
 * have. A page behind them that may have less was loaded with `hold.js`, which holds its connections to relays.
 *
 *     default                                  RFC 8828 mode 2, and 1 where a page may use the microphone
 *     default_public_and_private_interfaces    mode 2: the default route, and its local address
 *     default_public_interface_only            mode 3: the default route only
 *     disable_non_proxied_udp                  mode 4: no UDP but through a proxy; a relay by TCP remains
 *     proxy_only                               Firefox's own: nothing at all but through a proxy
 *
 * Firefox (153) has the same names and does other things. Its modes 3 and 4 take local addresses out of candidates and
 * leave them in the statistics, where its mode 2 has random names; and its mode 4 keeps nothing back where there is no
 * proxy. So neither is for it. */

const CHROMIUM = ['default', 'default_public_and_private_interfaces', 'default_public_interface_only', 'disable_non_proxied_udp'] as const
const FIREFOX = ['default', 'default_public_and_private_interfaces', 'proxy_only'] as const
export type Mode = (typeof CHROMIUM | typeof FIREFOX)[number]

export const IN_FIREFOX = globalThis.location?.protocol === 'moz-extension:'
/** From the loosest to the strictest. */
export const MODES: readonly Mode[] = IN_FIREFOX ? FIREFOX : CHROMIUM
export const STRICTEST = MODES.at(-1) as Mode
/** Enough for a direct connection, and no local address is told (by Firefox: unless camera or microphone are allowed). */
export const LET_THROUGH = MODES.at(-2) as Mode

export interface Settings {
  everywhere: Mode
  /** By site: scheme and host. */
  sites: { [site: string]: Mode }
}

export const BEGINNING: Settings = { everywhere: STRICTEST, sites: {} }

const isMode = (value: unknown): value is Mode => MODES.includes(value as Mode)

/** From what was stored; whatever is not understood is as in the beginning. */
export function readSettings(stored: { [name: string]: unknown }): Settings {
  const sites = Object.entries((stored['sites'] ?? {}) as { [site: string]: unknown }).filter((entry): entry is [string, Mode] => isMode(entry[1]))
  return { everywhere: isMode(stored['everywhere']) ? stored['everywhere'] : BEGINNING.everywhere, sites: Object.fromEntries(sites) }
}

/** A page's site, or `null` for what is none. Ports do not count: one computer is one site. */
export function siteOf(url: string | undefined): string | null {
  try {
    const { protocol, hostname } = new URL(url ?? '')
    return /^https?:$/.test(protocol) ? `${protocol}//${hostname}` : null
  } catch {
    return null
  }
}

export const modeOf = (settings: Settings, site: string | null): Mode => (site === null ? undefined : settings.sites[site]) ?? settings.everywhere

/** The browser's, while these sites are in front. */
export function browserMode(settings: Settings, front: (string | null)[]): Mode {
  const modes = front.filter((site) => site !== null).map((site) => MODES.indexOf(modeOf(settings, site)))
  return modes.length > 0 ? (MODES[Math.min(...modes)] as Mode) : settings.everywhere
}

const pattern = ([site]: [string, Mode]): string => `${site}/*`

/** Which pages `hold.js` is for: all that may have relays only, as long as some page may have more. `null`: none. */
export function held(settings: Settings): { matches: string[]; excludeMatches: string[] } | null {
  const sites = Object.entries(settings.sites)
  const strict = sites.filter(([, mode]) => mode === STRICTEST).map(pattern)
  const loose = sites.filter(([, mode]) => mode !== STRICTEST).map(pattern)
  if (settings.everywhere === STRICTEST) return loose.length > 0 ? { matches: ['<all_urls>'], excludeMatches: loose } : null
  return strict.length > 0 ? { matches: strict, excludeMatches: [] } : null
}
