/* Verification words (control.md §2). */

import type { Bytes } from '../../protocol/bytes.ts'
import { commitment, type Meeting } from '../../protocol/handshake.ts'

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

export async function wordsOf(meeting: Meeting | undefined): Promise<string> {
  const hostNonce = meeting?.session.hostNonce
  if (!hostNonce) return 'Not connected to the host yet.'
  if ((await commitment(hostNonce)) === meeting.commit) return verificationWords(meeting.hash, meeting.nonce, hostNonce)
  return 'There are none: whoever answered is not your host. Ask for a new link, sent to you another way.'
}
