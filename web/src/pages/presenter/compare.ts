/* Verification words (control.md §2). */

import type { Bytes } from '../../protocol/bytes.ts'
import { commitment } from '../../protocol/handshake.ts'
import type { Connection } from '../../protocol/connection.ts'

// prettier-ignore
const ALPHABET = ['alfa', 'bravo', 'charlie', 'delta', 'echo', 'foxtrot', 'golf', 'hotel', 'india', 'juliett', 'kilo',
  'lima', 'mike', 'november', 'oscar', 'papa', 'quebec', 'romeo', 'sierra', 'tango', 'uniform', 'victor', 'whiskey',
  'xray', 'yankee', 'zulu']

const bytes = (text: string): Bytes => new TextEncoder().encode(text)

export async function verificationWords(hash: Bytes, ourNonce: Bytes, hostNonce: Bytes): Promise<string> {
  const material = Uint8Array.of(...hash, ...ourNonce, ...hostNonce)
  const key = await crypto.subtle.importKey('raw', material, 'HKDF', false, ['deriveBits'])
  const parameters = { name: 'HKDF', hash: 'SHA-256', salt: bytes('slidewire/1'), info: bytes('words') }
  const derived = new DataView(await crypto.subtle.deriveBits(parameters, key, 160))
  return [0, 4, 8, 12, 16].map((at) => ALPHABET[derived.getUint32(at) % ALPHABET.length]).join(' ')
}

export async function wordsOf({ session, welcome }: Pick<Connection, 'session' | 'welcome'>): Promise<string> {
  const hostNonce = session?.hostNonce
  if (!hostNonce || !welcome) return 'Not connected to the host yet.'
  const { commit, keys, nonce } = welcome
  if ((await commitment(hostNonce)) === commit) return verificationWords(keys.handshakeHash, nonce, hostNonce)
  return 'There are none: what answered is not your host. Ask for a new link, sent to you another way.'
}
