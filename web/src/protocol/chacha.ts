/* ChaCha20-Poly1305 as RFC 8439 has it: the one cipher that WebCrypto lacks and Noise asks for. Written for size, since it
 * is most of what a phone would otherwise download; without look-up tables or branches on secrets. The tests hold it
 * against the RFC's vectors and against a well-known library. */

import { type Bytes, concat, view } from './bytes.ts'

const TAG = 16
const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]
/** §2.3: four quarter rounds down the columns, four along the diagonals. */
const ROUNDS = ['048c', '159d', '26ae', '37bf', '05af', '16bc', '278d', '349e'].map((round) =>
  [...round].map((digit) => Number.parseInt(digit, 16)),
) as [number, number, number, number][]

const words = (bytes: Uint8Array): number[] =>
  Array.from({ length: bytes.length / 4 }, (_, index) => view(bytes).getUint32(4 * index, true))

/** §2.4: `data` XOR the key stream from block `counter` on. */
function chacha20(key: Uint8Array, nonce: Uint8Array, counter: number, data: Uint8Array): Bytes {
  const initial = Uint32Array.of(...CONSTANTS, ...words(key), counter, ...words(nonce))
  const state = new Uint32Array(16)
  const output = data.slice() as Bytes
  /** Half of a quarter round (§2.1): add b to a, mix the sum into c and turn it. */
  const mix = (a: number, b: number, c: number, turn: number): void => {
    state[a] = (state[a] as number) + (state[b] as number)
    const mixed = (state[c] as number) ^ (state[a] as number)
    state[c] = (mixed << turn) | (mixed >>> (32 - turn))
  }
  for (let at = 0; at < data.length; at += 64) {
    state.set(initial)
    for (let round = 0; round < 10; round++) {
      for (const [a, b, c, d] of ROUNDS) {
        mix(a, b, d, 16)
        mix(c, d, b, 12)
        mix(a, b, d, 8)
        mix(c, d, b, 7)
      }
    }
    for (let index = 0; index < 64; index++) {
      const word = index >> 2
      const byte = ((state[word] as number) + (initial[word] as number)) >>> (8 * (index & 3))
      // What lies past the end is not there to be written: typed arrays drop it.
      output[at + index] = (data[at + index] as number) ^ byte
    }
    initial[12] = (initial[12] as number) + 1
  }
  return output
}

/** Ten limbs of 13 bits, so that sums of ten products stay exact: 16 bytes little-endian from `at`, and bit 128. */
function limbs(bytes: Uint8Array, at: number, bit128: number): number[] {
  const result: number[] = []
  let held = 0
  let bits = 0
  for (let index = 0; index < 17; index++) {
    held |= (index < 16 ? (bytes[at + index] as number) : bit128) << bits
    bits += 8
    if (bits < 13) continue
    result.push(held & 0x1fff)
    held >>= 13
    bits -= 13
  }
  return [...result, held]
}

/** Modulo 2^130 - 5: what is carried out of the top comes back in at the bottom, five times. */
function carry(value: number[]): void {
  let over = 0
  for (let index = 0; index < 20; index++) {
    const sum = (value[index % 10] as number) + over
    over = Math.floor(sum / 0x2000) * (index % 10 === 9 ? 5 : 1)
    value[index % 10] = sum % 0x2000
  }
  value[0] = (value[0] as number) + over
}

/** §2.5, over data whose length is a multiple of 16. */
export function poly1305(key: Uint8Array, data: Uint8Array): Bytes {
  const clamped = key.slice(0, 16)
  for (const index of [3, 7, 11, 15]) clamped[index] = (clamped[index] as number) & 15
  for (const index of [4, 8, 12]) clamped[index] = (clamped[index] as number) & 252
  const r = limbs(clamped, 0, 0)
  const r5 = r.map((limb) => 5 * limb)
  let accumulator = Array<number>(10).fill(0)
  for (let at = 0; at < data.length; at += 16) {
    const sum = limbs(data, at, 1)
    for (let i = 0; i < 10; i++) sum[i] = (sum[i] as number) + (accumulator[i] as number)
    const product = Array<number>(10)
    for (let i = 0; i < 10; i++) {
      let total = 0
      for (let j = 0; j < 10; j++) total += (sum[j] as number) * ((j <= i ? r[i - j] : r5[i - j + 10]) as number)
      product[i] = total
    }
    carry(product)
    accumulator = product
  }
  carry(accumulator)
  // Subtract the modulus if that leaves nothing below zero: chosen by a mask, not by a branch.
  const reduced = accumulator.slice()
  reduced[0] = (reduced[0] as number) + 5
  let over = 0
  for (let i = 0; i < 10; i++) {
    const sum = (reduced[i] as number) + over
    over = sum >>> 13
    reduced[i] = sum & 0x1fff
  }
  const tag = new Uint8Array(TAG)
  let bits = 0
  let held = 0
  let sum = 0
  for (let i = 0, at = 0; i < 10; i++) {
    const limb = ((accumulator[i] as number) & (over - 1)) | ((reduced[i] as number) & -over)
    held |= limb << bits
    for (bits += 13; bits >= 8 && at < TAG; bits -= 8, at++) {
      sum += (held & 255) + (key[16 + at] as number)
      tag[at] = sum
      sum >>= 8
      held >>>= 8
    }
  }
  return tag
}

const padding = (bytes: Uint8Array): Bytes => new Uint8Array(-bytes.length & 15)

/** §2.8: the tag over the associated data and the ciphertext. */
function tagOf(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, ciphertext: Uint8Array): Bytes {
  const lengths = new Uint8Array(16)
  view(lengths).setUint32(0, associated.length, true)
  view(lengths).setUint32(8, ciphertext.length, true)
  const data = concat(associated, padding(associated), ciphertext, padding(ciphertext), lengths)
  return poly1305(chacha20(key, nonce, 0, new Uint8Array(32)), data)
}

export function encrypt(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, plaintext: Uint8Array): Bytes {
  const ciphertext = chacha20(key, nonce, 1, plaintext)
  return concat(ciphertext, tagOf(key, nonce, associated, ciphertext))
}

/** `null` where the tag is wrong. */
export function decrypt(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, sealed: Uint8Array): Bytes | null {
  if (sealed.length < TAG) return null
  const ciphertext = sealed.subarray(0, -TAG)
  const tag = tagOf(key, nonce, associated, ciphertext)
  let different = 0
  for (let index = 0; index < TAG; index++) different |= (tag[index] as number) ^ (sealed[ciphertext.length + index] as number)
  return different === 0 ? chacha20(key, nonce, 1, ciphertext) : null
}
