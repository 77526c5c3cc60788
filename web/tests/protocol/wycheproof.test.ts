/* Wycheproof's cases for the two algorithms of the seal: our ChaCha20-Poly1305, and X25519 as the handshake asks for it. */

import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { decrypt, encrypt } from '../../src/protocol/chacha.ts'
import { dh } from '../../src/protocol/noise.ts'
import { fromHex, toHex } from '../support/hex.ts'

type Case = Record<string, string>
const cases = (name: string): Case[] => {
  const path = new URL(`../../../protocol/vectors/wycheproof/${name}.json.gz`, import.meta.url)
  return JSON.parse(gunzipSync(readFileSync(path)).toString()) as Case[]
}
const bytes = (text: string | undefined): Uint8Array<ArrayBuffer> => fromHex(text ?? '')

test('ChaCha20-Poly1305', () => {
  let count = 0
  for (const each of cases('chacha20_poly1305')) {
    if (each.ivSize !== undefined) continue // neither end lets anybody choose a nonce
    const [key, nonce, associated, plain] = [bytes(each.key), bytes(each.iv), bytes(each.aad), bytes(each.msg)]
    const sealed = bytes(`${each.ct}${each.tag}`)
    const opened = decrypt(key, nonce, associated, sealed)
    if (each.result === 'valid') {
      expect([each.tcId, toHex(encrypt(key, nonce, associated, plain))]).toEqual([each.tcId, toHex(sealed)])
      expect([each.tcId, opened && toHex(opened)]).toEqual([each.tcId, toHex(plain)])
    } else expect([each.tcId, opened]).toEqual([each.tcId, null])
    count++
  }
  expect(count).toBeGreaterThan(250)
})

test('X25519', async () => {
  const [agreed, refused] = [[] as unknown[], [] as unknown[]]
  for (const each of cases('x25519')) {
    // RFC 8410 §7: the key inside PKCS #8.
    const wrapped = bytes(`302e020100300506032b656e04220420${each.private}`)
    const privateKey = await crypto.subtle.importKey('pkcs8', wrapped, { name: 'X25519' }, false, ['deriveBits'])
    const shared = dh({ publicKey: new Uint8Array(32), privateKey }, bytes(each.public))
    if (/^0+$/.test(each.shared ?? '')) {
      await expect(shared).rejects.toThrow()
      refused.push(each.tcId)
    } else {
      expect([each.tcId, toHex(await shared)]).toEqual([each.tcId, each.shared])
      agreed.push(each.tcId)
    }
  }
  expect(agreed.length).toBeGreaterThan(400)
  expect(refused.length).toBeGreaterThan(10)
})
