/* Verification words (control.md §2) in a dialog of their own. */

import type { Bytes } from '../client/bytes.ts'

// prettier-ignore
const ALPHABET = ['alfa', 'bravo', 'charlie', 'delta', 'echo', 'foxtrot', 'golf', 'hotel', 'india', 'juliett', 'kilo',
  'lima', 'mike', 'november', 'oscar', 'papa', 'quebec', 'romeo', 'sierra', 'tango', 'uniform', 'victor', 'whiskey',
  'xray', 'yankee', 'zulu']

const bytes = (text: string): Bytes => new TextEncoder().encode(text)

export async function verificationWords(handshakeHash: Bytes): Promise<string> {
  const key = await crypto.subtle.importKey('raw', handshakeHash, 'HKDF', false, ['deriveBits'])
  const parameters = { name: 'HKDF', hash: 'SHA-256', salt: bytes('slidewire/1'), info: bytes('words') }
  const derived = new DataView(await crypto.subtle.deriveBits(parameters, key, 160))
  return [0, 4, 8, 12, 16].map((at) => ALPHABET[derived.getUint32(at) % ALPHABET.length]).join(' ')
}

export async function showWords(handshakeHash: Bytes | undefined): Promise<void> {
  const dialog = document.getElementById('compare-dialog') as HTMLDialogElement
  const words = document.getElementById('compare-words') as HTMLElement
  words.textContent = handshakeHash ? await verificationWords(handshakeHash) : 'Not connected to the host yet.'
  dialog.showModal()
}
