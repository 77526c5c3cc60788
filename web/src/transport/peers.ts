/* The direct connection, kept up by making it anew: generations of peers, each beside the one before until it carries.
 * A generation that fails, is silent or takes too long is followed by the next, less and less often. */

import type { Bytes } from '../protocol/bytes.ts'
import { isLive, type Path } from '../protocol/paths.ts'
import type { ChannelName, Peer, Rules } from './peer.ts'
import type { PresenterSession } from '../protocol/presenter_session.ts'
import { answersWithin } from '../protocol/signaling.ts'
import type { FromHost, FromPresenter } from '../protocol/messages.ts'

export interface PeersOwner {
  now(): number
  /** The session that stands; `null` also when it is all over. */
  session(): PresenterSession | null
  rules(): Rules
  send(message: FromPresenter): void
  /** Round trip of the path that offers take, in milliseconds. */
  signalingRoundTrip(): number | null
  receive(data: Bytes, path: string): void
  /** The session has something to do. */
  changed(): void
}

/** How long before what could not be loaded is asked for again. */
const LOAD_AGAIN = 3000
/** An offer without an answer is said again after this, at first; and it may have got lost with the path it took. */
const OFFER_AGAIN = 1000
/** How long a generation of peers may take, once it was answered: several round trips of the signaling path. */
const patience = (roundTrip: number): number => 3000 + 10 * roundTrip
const UNANSWERED_PATIENCE = 15_000
const BACKOFF_FIRST = 1000
const BACKOFF_LAST = 30_000
/** A data channel that answered within this time is believed more than a server's word. */
const FRESH = 1500

const pathName = (peer: Peer, channel: ChannelName): string => `${channel}-${peer.generation}`

export class Peers {
  /** How much came that may not be used: see peer.ts. */
  readonly refused = { ice_servers: 0, candidates: 0 }
  #peers: Peer[] = []
  /** Its code comes behind what the first tap needs. */
  #module: typeof import('./peer.ts') | null = null
  #loading = 0
  /** Made while the first hello is on its way, so that its offer goes with the first taps. */
  #spare: Peer | null = null
  #generation = 0
  #built = -Infinity
  #failures = 0
  #nextPeer = 0
  #nextOffer = Infinity
  #offerWait = OFFER_AGAIN

  constructor(private readonly owner: PeersOwner) {}

  async load(): Promise<void> {
    if (typeof RTCPeerConnection === 'undefined') return
    globalThis.importQuery = this.#loading++ ? `?${this.#loading}` : ''
    try {
      this.#module = await import('./peer.ts')
      if (this.owner.session()) this.ensure(this.owner.now())
      else this.#spare = this.#make()
    } catch {
      setTimeout(() => void this.load(), LOAD_AGAIN)
    }
  }

  // What the owner does

  transmit(path: string, data: Bytes): void {
    for (const peer of this.#peers) {
      for (const channel of ['control', 'bulk'] as const) if (path === pathName(peer, channel)) peer.send(channel, data)
    }
  }

  /** True where it was for us. */
  receiveMessage(message: FromHost): boolean {
    const find = (number: number): Peer | undefined => this.#peers.find(({ generation }) => generation === number)
    switch (message.type) {
      case 'answer':
        find(message.generation)?.receiveAnswer(message.sdp, message.network)
        return true
      case 'candidate':
        find(message.generation)?.receiveCandidate(message.candidate ?? null)
        return true
      case 'reoffer':
        this.build(this.owner.now())
        return true
      default:
        return false
    }
  }

  /** Time has passed. */
  ensure(now: number): void {
    const newest = this.#peers.at(-1)
    const path = newest && this.#path(newest)
    if (!this.owner.session()) return
    if (path && isLive(path, now)) {
      this.#failures = 0
      return
    }
    if (now >= this.#nextOffer) this.#sayOffer(now, 2 * this.#offerWait)
    const waits = newest?.isAnswered ? patience(this.owner.signalingRoundTrip() ?? 0) : UNANSWERED_PATIENCE
    if (now >= this.#nextPeer && (path || !newest || now - this.#built > waits)) this.build(now)
  }

  build(now: number): void {
    const peer = this.owner.session() ? (this.#spare ?? this.#make()) : null
    if (!peer) return
    this.#spare = null
    const backoff = Math.min(BACKOFF_LAST, BACKOFF_FIRST * 2 ** this.#failures++)
    this.#nextPeer = now + backoff * (0.5 + Math.random() / 2)
    this.#built = now
    this.#offerWait = OFFER_AGAIN
    this.#nextOffer = now + OFFER_AGAIN
    // The one that carried may carry again: what is silent in bad weather is not given up for what may never open.
    const carried = this.#peers.findLast((old) => this.#path(old))
    const waiting = this.#peers.filter((old) => old !== carried)
    for (const old of waiting.splice(0, waiting.length - 1)) this.#discard(old)
    this.#peers = [...(carried ? [carried] : []), ...waiting, peer]
    void peer.offer(this.owner.rules())
  }

  /** The rules are stricter now: what was made by the ones before is given up, also if nothing takes its place. */
  anew(now: number): void {
    for (const peer of this.#peers.splice(0)) this.#discard(peer)
    this.#failures = 0
    this.build(now)
  }

  /** The offer may have got lost with a path. */
  offerAgain(now: number): void {
    this.#sayOffer(now, OFFER_AGAIN)
  }

  /** The page is back in front of somebody: what does not answer now is replaced. */
  wake(woken: number): void {
    const newest = this.#peers.at(-1)
    const control = newest && this.#path(newest)
    setTimeout(() => {
      if ((control?.lastPong ?? 0) < woken && this.#built < woken) this.build(this.owner.now())
      this.owner.changed()
    }, answersWithin(control?.roundTrip ?? null))
  }

  /** Another session begins, or none. */
  close(): void {
    for (const peer of this.#peers.splice(0)) peer.close()
    this.#failures = 0
  }

  // What is known

  controlPaths(): Path[] {
    return this.#peers.flatMap((peer) => this.#path(peer) ?? [])
  }

  isFresh(now: number): boolean {
    return this.controlPaths().some((path) => now - (path.lastPong ?? -Infinity) < FRESH)
  }

  // Inside

  #path(peer: Peer, channel: ChannelName = 'control'): Path | undefined {
    return this.owner.session()?.path(pathName(peer, channel))
  }

  #sayOffer(now: number, wait: number): void {
    const peer = this.#peers.at(-1)
    if (peer?.isAnswered !== false) return
    this.#offerWait = wait
    this.#nextOffer = now + wait
    peer.offerAgain()
  }

  #make(): Peer | null {
    if (!this.#module) return null
    return new this.#module.Peer(++this.#generation, {
      signal: (message) => this.owner.send(message),
      opened: (opened, channel, kind) => this.#opened(opened, channel, kind),
      frame: (sender, channel, data) => this.owner.receive(data, pathName(sender, channel)),
      refused: (what, times) => {
        this.refused[what] += times
      },
      failed: (failed) => this.#failed(failed),
    })
  }

  #opened(peer: Peer, channel: ChannelName, kind: 'direct' | 'relayed'): void {
    if (!this.#peers.includes(peer)) return
    this.owner.session()?.pathUp(pathName(peer, channel), channel === 'bulk' ? 'bulk' : kind, this.owner.now())
    if (channel === 'control') {
      // The one before has done its work.
      while (this.#peers[0] && this.#peers[0].generation < peer.generation) this.#discard(this.#peers.shift() as Peer)
      setTimeout(() => void this.#checkKind(peer), 2000) // ICE may have found something better meanwhile
    }
    this.owner.changed()
  }

  async #checkKind(peer: Peer): Promise<void> {
    const kind = await peer.kind()
    const path = this.#path(peer)
    if (path) path.kind = kind
  }

  #failed(peer: Peer): void {
    if (!this.#peers.includes(peer)) return
    this.#peers = this.#peers.filter((other) => other !== peer)
    this.#discard(peer)
    this.owner.changed()
  }

  #discard(peer: Peer): void {
    for (const channel of ['control', 'bulk'] as const) this.owner.session()?.pathDown(pathName(peer, channel))
    peer.close()
  }
}
