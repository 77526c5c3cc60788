/* Coming in by a link: take the secret out of the address bar, keep it for a reload, and say what is missing.
 *
 * The page itself keeps the secret in this tab's sessionStorage and nowhere else: a phone ends the tabs in its background,
 * and the speaker's has to come back. What the browser keeps of the address that it was given, no page can take away:
 * docs/design/security.md, "What a browser keeps of a link". */

import type { Identity } from '../protocol/handshake.ts'
import { type Link, parseLink } from '../protocol/links.ts'

export type Entrance = { link: Link } | { error: 'insecure' | 'link_incomplete' }

const KEY = 'slidewire'

/** Presenter links have the id in the path; operator and deck links have both parts behind the `#`. */
function split(fragment: string): [id: string, secret: string] {
  const inPath = /^\/p\/([^/]*)\/?$/.exec(location.pathname)
  if (inPath) return [inPath[1] ?? '', fragment]
  const [id = '', secret = ''] = fragment.split('.')
  return [id, secret]
}

function stored(where: 'sessionStorage' | 'localStorage', key: string, value?: string): string {
  try {
    if (value !== undefined) globalThis[where].setItem(key, value)
    return globalThis[where].getItem(key) ?? ''
  } catch {
    return value ?? '' // storage is switched off: after a reload it will not be known any more
  }
}

export function enter(): Entrance {
  // Another link pasted into this tab changes only the fragment, which loads nothing by itself.
  globalThis.addEventListener('hashchange', () => location.reload())
  if (!globalThis.isSecureContext || !globalThis.crypto?.subtle) return { error: 'insecure' }
  const fragment = location.hash.slice(1)
  const page = KEY + location.pathname
  const link = parseLink(...split(fragment || stored('sessionStorage', page)))
  // One that is not right stays where it is until `showError` has looked at it.
  if (fragment && link) {
    stored('sessionStorage', page, fragment)
    history.replaceState(null, '', location.pathname + location.search)
  }
  return link ? { link } : { error: 'link_incomplete' }
}

/** Whether this browser's presenter connects through relays only. */
export const relaysOnly = (value?: boolean): boolean =>
  stored('localStorage', `${KEY} relays only`, value === undefined ? undefined : value ? 'yes' : '') === 'yes'

export const socketUrl = (): string => `${location.protocol === 'http:' ? 'ws' : 'wss'}://${location.host}/ws`

/** Who knocks: on the operator's page "iPhone", "Win32", "Linux armv8l"; and a random text, kept
 * by this browser, from which it has another name for each link: a one-device link knows it again. */
export const identity = (kind: Identity['kind']): Identity => ({
  kind,
  name: navigator.platform,
  seed: stored('localStorage', KEY) || stored('localStorage', KEY, crypto.randomUUID()),
})
