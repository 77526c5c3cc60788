import { expect, test } from 'vitest'
import { type Bytes, toBase64Url, utf8 } from '../../src/protocol/bytes.ts'
import { deviceName } from '../../src/protocol/handshake.ts'
import { generateKeyPair, Initiator, type KeyPair, respond } from '../../src/protocol/noise.ts'
import { fromHex, readVectors, toHex } from '../support/hex.ts'

interface Vector {
  name: string
  prologue: string
  psk: string
  init_ephemeral: string
  resp_ephemeral: string
  messages: { payload: string; ciphertext: string }[]
  handshake_hash: string
}

/** WebCrypto takes a private key only with its PKCS #8 wrapping. */
async function keyPair(secret: string): Promise<KeyPair> {
  const wrapped = fromHex(`302e020100300506032b656e04220420${secret}`)
  const privateKey = await crypto.subtle.importKey('pkcs8', wrapped, { name: 'X25519' }, true, ['deriveBits'])
  const { x } = await crypto.subtle.exportKey('jwk', privateKey)
  return { publicKey: new Uint8Array(Buffer.from(x ?? '', 'base64url')), privateKey }
}

const empty = (): Bytes => new Uint8Array(0)
const vectors = readVectors<Vector[]>('noise')

test('there are vectors', () => expect(vectors.length).toBeGreaterThan(0))

for (const vector of vectors) {
  test(`both ends write what ${vector.name} wrote`, async () => {
    const [psk, prologue] = [fromHex(vector.psk), fromHex(vector.prologue)]
    const [first, second] = vector.messages
    if (!first || !second) throw new Error('A vector needs two handshake messages.')

    const initiator = await Initiator.start(psk, prologue, fromHex(first.payload), await keyPair(vector.init_ephemeral))
    expect(toHex(initiator.message)).toBe(first.ciphertext)

    const seen: Bytes[] = []
    const answer = (payload: Bytes): Bytes => {
      seen.push(payload)
      return fromHex(second.payload)
    }
    const ephemeral = await keyPair(vector.resp_ephemeral)
    const responder = await respond(psk, prologue, fromHex(first.ciphertext), answer, ephemeral)
    expect(seen.map(toHex)).toEqual([first.payload])
    expect(toHex(responder.message)).toBe(second.ciphertext)

    const { payload, keys } = await initiator.finish(fromHex(second.ciphertext))
    expect(toHex(payload)).toBe(second.payload)
    expect(toHex(keys.handshakeHash)).toBe(vector.handshake_hash)
    expect(keys.send).toEqual(responder.keys.receive)
    expect(keys.receive).toEqual(responder.keys.send)
  })
}

test('another secret opens nothing, and a forged answer does not spoil the true one', async () => {
  const psk = new Uint8Array(32).fill(1)
  const prologue = new Uint8Array(0)
  const initiator = await Initiator.start(psk, prologue, empty(), await generateKeyPair())
  await expect(respond(new Uint8Array(32), prologue, initiator.message, empty, await generateKeyPair())).rejects.toThrow()

  const { message, keys } = await respond(psk, prologue, initiator.message, empty, await generateKeyPair())
  const forged = message.slice()
  forged[40] = (forged[40] ?? 0) ^ 1
  await expect(initiator.finish(forged)).rejects.toThrow()
  expect((await initiator.finish(message)).keys.send).toEqual(keys.receive)
})

interface Named {
  psk: string
  prologue: string
  initiator_ephemeral: string
  responder_ephemeral: string
  message_1: string
  message_2: string
  session_name: string
}

test('a session has the name that the other twin has for it, and it is not made of the handshake hash', async () => {
  const { devices, session_names } = readVectors<{ devices: { seed: string; link_id: string; device: string }[]; session_names: Named[] }>('control')
  expect(session_names.length).toBeGreaterThan(0)
  for (const vector of session_names) {
    const psk = fromHex(vector.psk)
    const initiator = await Initiator.start(psk, utf8(vector.prologue), utf8('{}'), await keyPair(vector.initiator_ephemeral))
    expect(toHex(initiator.message)).toBe(vector.message_1)
    const { keys } = await initiator.finish(fromHex(vector.message_2))
    expect(toBase64Url(keys.exported.slice(0, 16))).toBe(vector.session_name)
    expect(toBase64Url(keys.handshakeHash.slice(0, 16))).not.toBe(vector.session_name)
  }
  expect(devices.length).toBeGreaterThan(0)
  for (const { seed, link_id, device } of devices) expect(await deviceName(fromHex(seed), link_id)).toBe(device)
})
