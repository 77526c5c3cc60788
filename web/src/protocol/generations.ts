/* Peer connections of one session, in generations: each is offered beside the one before until it carries. A generation
 * that fails, is silent or takes too long is followed by the next, less and less often. It is never repaired.
 *
 * Sans-I/O: report what happens, and drain `nextEffect`. Times are milliseconds of one monotonic clock. */

import type { Candidate, FromHost, IceCandidate, Offer } from './messages.ts'
import { isLive, LIVE_FOR, type Path } from './paths.ts'
import type { PresenterSession } from './presenter_session.ts'
import { answersWithin } from './signaling.ts'

/** An offer without an answer is repeated after this, at first. The wait doubles. */
const OFFER_AGAIN = 1000
/** How long an offer may stay without an answer before the next generation is made. */
const UNANSWERED_PATIENCE = 15_000
/** Between two generations, at first and at most; of each wait a random half is left out. */
const BACKOFF_FIRST = 1000
const BACKOFF_LAST = 30_000
/** A data channel that answered within this time is believed more than a server's word. */
const FRESH = 1500

export type Channel = 'control' | 'bulk'

/** What a peer connection may use and say. Of the session's welcome: `privacy` (the room's policy), `ice_hosts` (whose STUN
 * and TURN servers may be used besides those of the signaling server's own host). */
export interface Rules {
  iceServers: readonly unknown[]
  ownHost: string
  /** Where this end is, in the server's word for it. */
  network: string
  privacy?: unknown
  ice_hosts?: unknown
  /** Asked for at this end: relays only, whatever the room's policy is. It is the strictest there is. */
  relaysOnly?: boolean
}

export type PeerEffect =
  /** Make a peer of this generation and its offer. Report `offerCreated`; `peerFailed` where it cannot be made. */
  | { type: 'create_offer'; generation: number; rules: Rules }
  /** Give the answer to the peer. `isNear`: both ends are on the same network. */
  | { type: 'accept_answer'; generation: number; sdp: string; isNear: boolean }
  /** Give the peer a candidate of the other end; null: there are no more. */
  | { type: 'add_candidate'; generation: number; candidate: IceCandidate | null }
  | { type: 'close_peer'; generation: number }

/** One peer connection, from the decision to make it until it is closed. */
interface Generation {
  number: number
  rules: Rules
  offer: Offer | null
  /** They are kept, as the offer is: an offer is repeated with its candidates. */
  candidates: Candidate[]
  isAnswered: boolean
}

export const pathName = (generation: number, channel: Channel = 'control'): string => `${channel}/${generation}`

export class Generations {
  /** The session that they are paths to. */
  session: PresenterSession | null = null
  /** Without it none is made. */
  isEnabled = false
  /** In order of their numbers. */
  #known: Generation[] = []
  #number = 0
  #built = -Infinity
  #failures = 0
  #nextBuild = 0
  #nextOffer = Infinity
  #offerWait = OFFER_AGAIN
  /** When the device woke up, until what does not answer is replaced. */
  #woken = Infinity
  #judgeAt = Infinity
  readonly #effects: PeerEffect[] = []

  /** `rules` are those of a generation that is made now. `random` gives a number from 0 up to 1. */
  constructor(
    private readonly rules: () => Rules,
    private readonly random: () => number,
  ) {}

  // Receiving

  /** Whether the message was for a peer connection. */
  receiveMessage(message: FromHost, now: number): boolean {
    switch (message.type) {
      case 'answer': {
        // An answer is for the generation it names and no other: the newest one may have been offered since.
        const known = this.#get(message.generation)
        if (!known?.offer || known.isAnswered) break
        known.isAnswered = true
        const { network } = known.rules
        const isNear = network !== '' && network === message.network
        this.#effects.push({ type: 'accept_answer', generation: known.number, sdp: message.sdp, isNear })
        break
      }
      case 'candidate': {
        const { generation, candidate } = message
        if (this.#get(generation)) this.#effects.push({ type: 'add_candidate', generation, candidate: candidate ?? null })
        break
      }
      case 'reoffer':
        this.build(now)
        break
      default:
        return false
    }
    return true
  }

  // What the shell reports

  offerCreated(generation: number, sdp: string, now: number): void {
    const known = this.#get(generation)
    if (!known) return
    const { relaysOnly, network } = known.rules
    known.offer = { type: 'offer', generation, sdp, ...(relaysOnly && { privacy: 'private' }), ...(network && { network }) }
    this.#say(known, now)
  }

  /** A candidate of this end; null: that was all. */
  candidateFound(generation: number, candidate: IceCandidate | null, now: number): void {
    const known = this.#get(generation)
    const message: Candidate = { type: 'candidate', generation, candidate }
    known?.candidates.push(message)
    if (known?.offer) this.session?.sendMessage(message, now)
  }

  channelOpened(generation: number, channel: Channel, isRelayed: boolean, now: number): void {
    if (!this.#get(generation)) return
    const kind = isRelayed ? 'relayed' : 'direct'
    this.session?.pathUp(pathName(generation, channel), channel === 'bulk' ? channel : kind, now)
    if (channel === 'bulk') return
    for (const old of this.#known.filter(({ number }) => number < generation)) this.#discard(old) // it has done its work
  }

  /** ICE found another path. */
  pathFound(generation: number, isRelayed: boolean): void {
    const path = this.path(this.#get(generation))
    if (path) path.kind = isRelayed ? 'relayed' : 'direct'
  }

  /** The connection failed or ended. */
  peerFailed(generation: number, now: number): void {
    const known = this.#get(generation)
    if (!known) return
    this.#discard(known)
    this.ensure(now)
  }

  // What the connection decides

  /** See to it that the newest generation answers or is followed by another. */
  ensure(now: number): void {
    if (!this.session) return
    const newest = this.#known.at(-1)
    const path = this.path(newest)
    if (path && isLive(path, now)) {
      this.#failures = 0
      return
    }
    if (now >= this.#nextOffer) this.#repeatOffer(now, 2 * this.#offerWait)
    const isOver = !newest || path !== undefined || now - this.#built > this.#patience(newest)
    if (isOver && now >= this.#nextBuild) this.build(now)
  }

  handleTimer(now: number): void {
    if (now >= this.#judgeAt) {
      const woken = this.#woken
      this.#judgeAt = Infinity
      if ((this.path(this.#known.at(-1))?.lastPong ?? -Infinity) < woken && this.#built < woken) this.build(now)
    }
    this.ensure(now)
  }

  /** For what cannot wait until `ensure` is called next. */
  getTimer(): number {
    return this.#judgeAt
  }

  /** Offer another generation now. */
  build(now: number): void {
    if (!this.session || !this.isEnabled) return
    const backoff = Math.min(BACKOFF_LAST, BACKOFF_FIRST * 2 ** this.#failures++)
    this.#nextBuild = now + backoff * (0.5 + this.random() / 2)
    this.#built = now
    this.#offerWait = OFFER_AGAIN
    this.#nextOffer = now + OFFER_AGAIN
    // The one that carried is kept, and one that is coming up. What is silent on a bad network may carry again.
    const carried = this.#known.findLast((old) => this.path(old))
    for (const old of this.#known.filter((one) => one !== carried).slice(0, -1)) this.#discard(old)
    const generation = ++this.#number
    const rules = this.rules()
    this.#known.push({ number: generation, rules, offer: null, candidates: [], isAnswered: false })
    this.#effects.push({ type: 'create_offer', generation, rules })
  }

  /** The offer may have been lost with a path. */
  offerAgain(now: number): void {
    this.#repeatOffer(now, OFFER_AGAIN)
  }

  /** The device slept, or its network changed: what does not answer now is replaced. */
  wake(now: number): void {
    this.#woken = now
    this.#judgeAt = now + answersWithin(this.path(this.#known.at(-1))?.roundTrip ?? null)
  }

  /** The rules are stricter now: what was made by those before is closed, even if nothing takes its place. */
  restart(now: number): void {
    this.close()
    this.build(now)
  }

  close(): void {
    for (const known of this.#known) this.#discard(known)
    this.#failures = 0
    this.#nextOffer = this.#judgeAt = Infinity
  }

  nextEffect(): PeerEffect | undefined {
    return this.#effects.shift()
  }

  // What is known

  path(generation: Generation | undefined): Path | undefined {
    return generation && this.session?.path(pathName(generation.number))
  }

  controlPaths(): Path[] {
    return this.#known.flatMap((known) => this.path(known) ?? [])
  }

  /** Whether a data channel answered a moment ago. */
  isFresh(now: number): boolean {
    return this.controlPaths().some(({ lastPong }) => lastPong !== null && now - lastPong < FRESH)
  }

  // Inside

  #get(generation: number): Generation | undefined {
    return this.#known.find(({ number }) => number === generation)
  }

  /** An answered generation may take several round trips of the path that offers take. */
  #patience({ isAnswered }: Generation): number {
    return isAnswered ? LIVE_FOR + 10 * (this.session?.path('signaling')?.roundTrip ?? 0) : UNANSWERED_PATIENCE
  }

  #repeatOffer(now: number, wait: number): void {
    const newest = this.#known.at(-1)
    if (!newest?.offer || newest.isAnswered) return
    this.#offerWait = wait
    this.#nextOffer = now + wait
    this.#say(newest, now)
  }

  #say({ offer, candidates }: Generation, now: number): void {
    for (const message of [offer as Offer, ...candidates]) this.session?.sendMessage(message, now)
  }

  #discard(known: Generation): void {
    const generation = known.number
    this.#known = this.#known.filter((other) => other !== known)
    for (const channel of ['control', 'bulk'] as const) this.session?.pathDown(pathName(generation, channel))
    this.#effects.push({ type: 'close_peer', generation })
  }
}
