/* One attempt to become a session (control.md §2): send `hello` until `readWelcome` reads its answer. */

import { type Bytes, concat, fromUtf8, toBase64Url, utf8 } from './bytes.ts'
import { type Link, derivePsk, prologue } from './links.ts'
import { generateKeyPair, hmac, Initiator, sha256, type TransportKeys } from './noise.ts'
import { PresenterSession } from './presenter_session.ts'
import { HELLO } from './seal.ts'

export const ROLES = ['view', 'laser', 'click', 'operator'] as const
export type Role = (typeof ROLES)[number]
/** What the host is told of who knocks. */
export interface Identity {
  kind: 'phone' | 'operator' | 'deck' | 'program'
  name: string
  /** Random, kept by this browser, and never sent: what it calls itself is made of it, another name for each link. */
  seed: string
}

/** What the host's answer to a hello says, and what the session's verification words are made of. */
export interface Welcome {
  session: number
  /** The host's session clock when it answered, in milliseconds. */
  clock: number
  role: Role
  /** What the host's nonce has to open. */
  commit: string
  /** See `Rules` in generations.ts. */
  privacy?: unknown
  ice_hosts?: unknown
  keys: TransportKeys
  /** What a session after this one says it replaces. */
  name: string
  /** Ours. */
  nonce: Bytes
}

/** What settles a nonce before it is shown. */
export const commitment = async (nonce: Bytes): Promise<string> => toBase64Url(await sha256(nonce))

/** What this browser calls itself to the host of a link, so that the link can be for one device. */
export const deviceName = async (seed: Bytes, linkId: string): Promise<string> =>
  toBase64Url((await hmac(seed, utf8(linkId))).subarray(0, 16))

/** Milliseconds between repetitions of an unanswered hello. */
export const REPEAT_HELLO = 1000

export class Handshake {
  private constructor(
    private readonly initiator: Initiator,
    readonly hello: Bytes,
    private readonly nonce: Bytes,
    private readonly said: Bytes,
  ) {}

  /** `replaces` is the name of the session before this one. */
  static async start(link: Link, { kind, name, seed }: Identity, replaces?: string): Promise<Handshake> {
    const device = await deviceName(utf8(seed), link.id)
    const nonce = crypto.getRandomValues(new Uint8Array(16))
    const payload = utf8(JSON.stringify({ commit: await commitment(nonce), v: 1 }))
    const initiator = await Initiator.start(await derivePsk(link), prologue(link), payload, await generateKeyPair())
    const hello = concat(Uint8Array.of(HELLO, link.id.length), utf8(link.id), initiator.message)
    return new Handshake(initiator, hello, nonce, utf8(JSON.stringify({ kind, name, device, replaces })))
  }

  /** `null` for anything that is not this host's answer to this hello. */
  async readWelcome(data: Bytes): Promise<Welcome | null> {
    try {
      const { payload, keys } = await this.initiator.finish(data.slice(1))
      const said = JSON.parse(fromUtf8(payload)) as Welcome
      // A role of a later version is taken for the one that may do the least.
      const role = ROLES.includes(said.role) ? said.role : 'view'
      return { ...said, role, keys, name: toBase64Url(keys.exported.subarray(0, 16)), nonce: this.nonce }
    } catch {
      return null
    }
  }

  /** The session that begins; the hello was sent first when `asked`. */
  session({ session, keys, clock }: Welcome, now: number, asked: number): PresenterSession {
    return new PresenterSession(session, keys, clock, now, concat(this.nonce, this.said), asked)
  }
}
