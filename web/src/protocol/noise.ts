/* Noise_NNpsk0_25519_ChaChaPoly_SHA256 (Noise revision 34): the two messages by which each end proves that it knows
 * the link's secret, and the two keys they leave. Names are the specification's. Asynchronous, because WebCrypto is;
 * it happens once per session, and frames are sealed synchronously (seal.ts). */

import { type Bytes, concat, utf8 } from './bytes.ts'
import { decrypt, encrypt } from './chacha.ts'

const X25519 = { name: 'X25519' }
const EMPTY = new Uint8Array(0)
const DHLEN = 32

export interface KeyPair {
  publicKey: Bytes
  privateKey: CryptoKey
}

export interface TransportKeys {
  send: Bytes
  receive: Bytes
  handshakeHash: Bytes
  /** A third output beside the two keys: known to these two ends alone, and no part of any of them. */
  exported: Bytes
}

export async function generateKeyPair(): Promise<KeyPair> {
  const pair = (await crypto.subtle.generateKey(X25519, false, ['deriveBits'])) as CryptoKeyPair
  return { publicKey: new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey)), privateKey: pair.privateKey }
}

export async function dh(pair: KeyPair, publicKey: Bytes): Promise<Bytes> {
  const theirs = await crypto.subtle.importKey('raw', publicKey, X25519, false, [])
  return new Uint8Array(await crypto.subtle.deriveBits({ ...X25519, public: theirs }, pair.privateKey, DHLEN * 8))
}

export const sha256 = async (data: Bytes): Promise<Bytes> => new Uint8Array(await crypto.subtle.digest('SHA-256', data))

export async function hmac(key: Bytes, data: Bytes): Promise<Bytes> {
  const imported = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, data))
}

/** §4.3 HKDF: always three outputs here; who needs two leaves the third. */
async function hkdf(chainingKey: Bytes, inputKeyMaterial: Bytes): Promise<[Bytes, Bytes, Bytes]> {
  const temporary = await hmac(chainingKey, inputKeyMaterial)
  const first = await hmac(temporary, Uint8Array.of(1))
  const second = await hmac(temporary, concat(first, Uint8Array.of(2)))
  return [first, second, await hmac(temporary, concat(second, Uint8Array.of(3)))]
}

/** §5.2, with the CipherState of §5.1 inside: a key and the count of messages under it. */
class SymmetricState {
  #n = 0
  #k: Bytes = EMPTY

  private constructor(
    private ck: Bytes,
    public h: Bytes,
  ) {}

  static async initialize(prologue: Bytes): Promise<SymmetricState> {
    const name = await sha256(utf8('Noise_NNpsk0_25519_ChaChaPoly_SHA256'))
    const state = new SymmetricState(name, name)
    await state.mixHash(prologue)
    return state
  }

  /** The same state again, so that a message that turns out to be forged has spoilt nothing. */
  fork(): SymmetricState {
    const fork = new SymmetricState(this.ck, this.h)
    fork.#k = this.#k
    fork.#n = this.#n
    return fork
  }

  #initializeKey(key: Bytes): void {
    this.#k = key
    this.#n = 0
  }

  #nonce(): Bytes {
    const nonce = new Uint8Array(12)
    nonce[4] = this.#n++ // a handshake never counts past a byte
    return nonce
  }

  async mixHash(data: Bytes): Promise<void> {
    this.h = await sha256(concat(this.h, data))
  }

  async mixKey(material: Bytes): Promise<void> {
    const [ck, key] = await hkdf(this.ck, material)
    this.ck = ck
    this.#initializeKey(key)
  }

  async mixKeyAndHash(material: Bytes): Promise<void> {
    const [ck, hash, key] = await hkdf(this.ck, material)
    this.ck = ck
    await this.mixHash(hash)
    this.#initializeKey(key)
  }

  /** An `e` token where a psk is used: the public key is hashed and mixed into the key. */
  async mixEphemeral(publicKey: Bytes): Promise<void> {
    await this.mixHash(publicKey)
    await this.mixKey(publicKey)
  }

  async encryptAndHash(plaintext: Bytes): Promise<Bytes> {
    const ciphertext = encrypt(this.#k, this.#nonce(), this.h, plaintext)
    await this.mixHash(ciphertext)
    return ciphertext
  }

  /** Throws where the tag is wrong. */
  async decryptAndHash(ciphertext: Bytes): Promise<Bytes> {
    const plaintext = decrypt(this.#k, this.#nonce(), this.h, ciphertext)
    if (!plaintext) throw new Error('wrong secret')
    await this.mixHash(ciphertext)
    return plaintext
  }

  /** The initiator's key, the responder's, and what else the two ends may have from here. */
  split(): Promise<[Bytes, Bytes, Bytes]> {
    return hkdf(this.ck, EMPTY)
  }
}

/** The presenter's end: `-> psk, e` and then `<- e, ee`. */
export class Initiator {
  private constructor(
    private readonly state: SymmetricState,
    private readonly ephemeral: KeyPair,
    /** The first message, to be sent as often as it takes. */
    readonly message: Bytes,
  ) {}

  static async start(psk: Bytes, prologue: Bytes, payload: Bytes, ephemeral: KeyPair): Promise<Initiator> {
    const state = await SymmetricState.initialize(prologue)
    await state.mixKeyAndHash(psk)
    await state.mixEphemeral(ephemeral.publicKey)
    return new Initiator(state, ephemeral, concat(ephemeral.publicKey, await state.encryptAndHash(payload)))
  }

  /** Reads the second message. Throws where it is not from one who knows the secret; the true one may still come. */
  async finish(message: Bytes): Promise<{ payload: Bytes; keys: TransportKeys }> {
    const state = this.state.fork()
    const theirs = message.slice(0, DHLEN)
    await state.mixEphemeral(theirs)
    await state.mixKey(await dh(this.ephemeral, theirs))
    const payload = await state.decryptAndHash(message.slice(DHLEN))
    const [send, receive, exported] = await state.split()
    return { payload, keys: { send, receive, handshakeHash: state.h, exported } }
  }
}

/** The host's end, for tests: one call reads the first message and writes the second. */
export async function respond(
  psk: Bytes,
  prologue: Bytes,
  message: Bytes,
  answer: (payload: Bytes) => Bytes,
  ephemeral: KeyPair,
): Promise<{ message: Bytes; keys: TransportKeys }> {
  const state = await SymmetricState.initialize(prologue)
  const theirs = message.slice(0, DHLEN)
  await state.mixKeyAndHash(psk)
  await state.mixEphemeral(theirs)
  const payload = await state.decryptAndHash(message.slice(DHLEN))
  await state.mixEphemeral(ephemeral.publicKey)
  await state.mixKey(await dh(ephemeral, theirs))
  const reply = concat(ephemeral.publicKey, await state.encryptAndHash(answer(payload)))
  const [receive, send, exported] = await state.split()
  return { message: reply, keys: { send, receive, handshakeHash: state.h, exported } }
}
