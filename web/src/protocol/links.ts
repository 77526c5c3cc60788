/* A link is an address and a secret (control.md §1). The address may be shown to the server; the secret stays behind
 * the `#`, and from it both ends derive a token that the server can check and a key that it can not. */

import { type Bytes, fromBase64Url, utf8 } from './bytes.ts'

export interface Link {
  id: string
  secret: Bytes
}

const ID = /^[a-z2-7]{10}$/

/** From the two texts of a link; `null` where they are not ones. */
export function parseLink(id: string, secret: string): Link | null {
  const bytes = fromBase64Url(secret)
  return ID.test(id) && bytes?.length === 16 ? { id, secret: bytes } : null
}

async function derive(link: Link, what: 'join' | 'psk', length: number): Promise<Bytes> {
  const key = await crypto.subtle.importKey('raw', link.secret, 'HKDF', false, ['deriveBits'])
  const parameters = { name: 'HKDF', hash: 'SHA-256', salt: utf8('slidewire/1'), info: utf8(`${what} ${link.id}`) }
  return new Uint8Array(await crypto.subtle.deriveBits(parameters, key, length * 8))
}

/** What the server compares with the host's commitment. */
export const joinToken = (link: Link): Promise<Bytes> => derive(link, 'join', 16)

/** What the two ends alone know. */
export const derivePsk = (link: Link): Promise<Bytes> => derive(link, 'psk', 32)

/** The handshake's prologue: it binds a session to this link. */
export const prologue = (link: Link): Bytes => utf8(`slidewire/1 ${link.id}`)
