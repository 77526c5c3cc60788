/* The project's own ChaCha20-Poly1305 against RFC 8439 and against a library that others have audited. */

import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { expect, test } from 'vitest'
import { decrypt, encrypt, poly1305 } from '../../src/protocol/chacha.ts'
import { fromHex, seeded, toHex } from '../support/hex.ts'

test('RFC 8439 §2.8.2', () => {
  const key = fromHex('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f')
  const nonce = fromHex('070000004041424344454647')
  const associated = fromHex('50515253c0c1c2c3c4c5c6c7')
  const plaintext = new TextEncoder().encode(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  )
  const sealed = encrypt(key, nonce, associated, plaintext)
  expect(toHex(sealed)).toBe(
    'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e06' +
      '0b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116' +
      '1ae10b594f09e26a7e902ecbd0600691',
  )
  expect(decrypt(key, nonce, associated, sealed)).toEqual(plaintext)
})

test('any key, nonce, associated data and length: what the library writes', () => {
  const random = seeded(8439)
  const bytes = (length: number): Uint8Array<ArrayBuffer> =>
    Uint8Array.from({ length }, () => [0, 255, Math.floor(random() * 256)][Math.floor(random() * 3)] ?? 0)
  for (let round = 0; round < 600; round++) {
    const [key, nonce, associated] = [bytes(32), bytes(12), bytes(Math.floor(random() * 40))]
    const plaintext = bytes(Math.floor(random() * 200))
    const sealed = encrypt(key, nonce, associated, plaintext)
    expect(toHex(sealed)).toBe(toHex(chacha20poly1305(key, nonce, associated).encrypt(plaintext)))
    expect(decrypt(key, nonce, associated, sealed)).toEqual(plaintext)
    const touched = sealed.slice()
    const at = Math.floor(random() * touched.length)
    touched[at] = (touched[at] ?? 0) ^ (1 << Math.floor(random() * 8))
    expect(decrypt(key, nonce, associated, touched)).toBeNull()
  }
})

// RFC 8439 appendix A.3, vectors 7 to 11: accumulators at the edges of the modulus.
test.each([
  ['02', '00', 'ff'.repeat(16), '03'],
  ['02', 'ff', '02', '03'],
  ['01', '00', `${'ff'.repeat(16)}f0${'ff'.repeat(15)}11`, '05'],
  ['01', '00', `${'ff'.repeat(16)}fb${'fe'.repeat(15)}${'01'.repeat(16)}`, '00'],
  ['02', '00', `fd${'ff'.repeat(15)}`, `fa${'ff'.repeat(15)}`],
])('Poly1305 with r = %s, s = %s…, of %s', (r, s, data, tag) => {
  const padded = data.padEnd(Math.ceil(data.length / 32) * 32, '0')
  expect(toHex(poly1305(fromHex(r.padEnd(32, '0') + s.repeat(16)), fromHex(padded)))).toBe(tag.padEnd(32, '0'))
})

test('too short to hold a tag', () => expect(decrypt(new Uint8Array(32), new Uint8Array(12), new Uint8Array(0), new Uint8Array(15))).toBeNull())
