/* Coming in by a link: take the secret out of the address bar, keep it for a reload, and say what is missing.
 *
 * The secret lives in this tab's sessionStorage and nowhere else: it is in no history entry, and no other tab has it. */

import { type Link, parseLink } from '../client/link.ts'

export type Entrance = { link: Link } | { trouble: 'insecure' | 'link_incomplete' }

const KEY = 'slidewire'

/** Presenter links have the id in the path; operator and deck links have both parts behind the `#`. */
function split(fragment: string): [id: string, secret: string] {
  const inPath = /^\/p\/([^/]*)\/?$/.exec(location.pathname)
  if (inPath) return [inPath[1] ?? '', fragment]
  const [id = '', secret = ''] = fragment.split('.')
  return [id, secret]
}

function stored(value?: string): string {
  try {
    if (value !== undefined) sessionStorage.setItem(KEY + location.pathname, value)
    return sessionStorage.getItem(KEY + location.pathname) ?? ''
  } catch {
    return '' // storage is switched off: a reload will need the link again
  }
}

export function enter(): Entrance {
  // Another link pasted into this tab changes only the fragment, which loads nothing by itself.
  globalThis.addEventListener('hashchange', () => location.reload())
  if (!globalThis.isSecureContext || !globalThis.crypto?.subtle) return { trouble: 'insecure' }
  const fragment = location.hash.slice(1)
  if (fragment) {
    stored(fragment)
    history.replaceState(null, '', location.pathname)
  }
  const link = parseLink(...split(fragment || stored()))
  return link ? { link } : { trouble: 'link_incomplete' }
}

export const socketUrl = (): string => `${location.protocol === 'http:' ? 'ws' : 'wss'}://${location.host}/ws`

/** What this device may be called on the operator's page: "iPhone", "Win32", "Linux armv8l". */
export const deviceName = (): string => navigator.platform
