/* One generation of the direct connection: an RTCPeerConnection with two negotiated channels, `control` (unordered, no
 * retransmissions) and `bulk` (reliable). It is never repaired: whoever owns it makes the next generation. */

import type { Bytes } from './bytes.ts'
import { Filter, permitServers, readPrivacy } from './privacy.ts'

export type ChannelName = 'control' | 'bulk'

export interface PeerOwner {
  /** To the host's peer, inside a sealed message. */
  signal(message: { type: string; generation: number; [field: string]: unknown }): void
  opened(peer: Peer, channel: ChannelName, kind: 'direct' | 'relayed'): void
  frame(peer: Peer, channel: ChannelName, data: Bytes): void
  /** What came and may not be used: servers that are neither the server's own nor the host's, addresses that the room's
   * privacy forbids. */
  refused(what: 'ice_servers' | 'candidates', times: number): void
  /** It will not carry anything any more. */
  failed(peer: Peer): void
}

/** What a peer may use and say. Of the session's welcome: `privacy` (the room's policy), `ice_hosts` (whose STUN and TURN
 * servers may be used besides those of the signaling server's own host). */
export interface Rules {
  iceServers: readonly unknown[]
  ownHost: string
  /** Where we are, in the server's word for it. Who knows it is there, too. */
  network: string
  privacy?: unknown
  ice_hosts?: unknown
}

export class Peer {
  readonly #connection: RTCPeerConnection
  readonly #channels: { [name in ChannelName]: RTCDataChannel }
  /** Made before it is wanted: that takes longer than a message. */
  readonly #offer: Promise<RTCSessionDescriptionInit>
  /** What the host said is obeyed strictly in order, each after the one before. */
  #inbox: Promise<void> = Promise.resolve()
  #early: (RTCIceCandidateInit | null)[] | null = []
  /** What was said so far. It may have got lost with the path that it took. */
  readonly #said: Parameters<PeerOwner['signal']>[0][] = []
  /** What we say passes one, what we are told the other. */
  #filters = [new Filter('private'), new Filter('private')] as const
  #network = ''

  constructor(
    readonly generation: number,
    private readonly owner: PeerOwner,
  ) {
    this.#connection = new RTCPeerConnection({ iceServers: [] })
    this.#channels = {
      control: this.#open('control', { negotiated: true, id: 0, ordered: false, maxRetransmits: 0 }),
      bulk: this.#open('bulk', { negotiated: true, id: 1 }),
    }
    this.#connection.addEventListener('icecandidate', ({ candidate }) => {
      // An empty candidate ends one component; null ends them all, and is the only end the host needs.
      if (candidate?.candidate === '') return
      const passed = candidate && this.#through(0, candidate.toJSON())
      if (passed !== undefined) this.#signal({ type: 'candidate', candidate: passed })
    })
    this.#connection.addEventListener('connectionstatechange', () => {
      if (this.#connection.connectionState === 'failed') this.#fail()
    })
    this.#offer = this.#connection.createOffer().catch(() => ({ type: 'offer' }))
  }

  async offer({ iceServers, ownHost, network, privacy, ice_hosts: hosts }: Rules): Promise<void> {
    const policy = readPrivacy(privacy, 'balanced')
    const listed = Array.isArray(hosts) ? hosts.filter((host) => typeof host === 'string') : []
    const { permitted, refused } = permitServers(iceServers, [ownHost, ...listed])
    this.owner.refused('ice_servers', refused.length)
    this.#filters = [new Filter(policy), new Filter(policy)]
    this.#network = network
    try {
      this.#connection.setConfiguration({ iceServers: permitted, iceTransportPolicy: policy === 'private' ? 'relay' : 'all' })
      const offer = await this.#offer
      // Its candidates follow.
      this.#signal({ type: 'offer', sdp: this.#filters[0].description(offer.sdp ?? ''), ...(network && { network }) })
      await this.#connection.setLocalDescription(offer)
    } catch {
      this.#fail()
    }
  }

  get isAnswered(): boolean {
    return this.#early === null
  }

  /** Say all of it again. The host answers an offer that it has answered with the same answer. */
  offerAgain(): void {
    for (const message of this.#said) this.owner.signal(message)
  }

  receiveAnswer(sdp: string, network: unknown): void {
    this.#inNextTurn(async () => {
      if (this.isAnswered) return
      const said = this.#filters[1]
      for (const filter of this.#filters) filter.isNear = this.#network !== '' && network === this.#network
      await this.#connection.setRemoteDescription({ type: 'answer', sdp: said.description(sdp) })
      this.owner.refused('candidates', said.stopped)
      const candidates = this.#early ?? []
      this.#early = null
      for (const candidate of candidates) await this.#addCandidate(candidate)
    })
  }

  receiveCandidate(candidate: RTCIceCandidateInit | null): void {
    this.#inNextTurn(async () => {
      if (this.#early) this.#early.push(candidate)
      else await this.#addCandidate(candidate)
    })
  }

  /** False where the channel does not take it. */
  send(channel: ChannelName, data: Bytes): boolean {
    try {
      this.#channels[channel].send(data)
      return true
    } catch {
      return false
    }
  }

  /** Whether a relay is on the way, at either end. */
  async kind(): Promise<'direct' | 'relayed'> {
    try {
      const reports = (await this.#connection.getStats()) as unknown as Map<string, { [field: string]: string | boolean }>
      const all = [...reports.values()]
      const chosen = all.find((report) => report['type'] === 'transport')?.['selectedCandidatePairId']
      const pair = reports.get(String(chosen)) ?? all.find((report) => report['selected'] === true)
      const ends = [pair?.['localCandidateId'], pair?.['remoteCandidateId']]
      return ends.some((id) => reports.get(String(id))?.['candidateType'] === 'relay') ? 'relayed' : 'direct'
    } catch {
      return 'direct'
    }
  }

  close(): void {
    this.#connection.close()
  }

  #open(name: ChannelName, options: RTCDataChannelInit): RTCDataChannel {
    const channel = this.#connection.createDataChannel(name, options)
    channel.binaryType = 'arraybuffer'
    channel.addEventListener('open', () => void this.kind().then((kind) => this.owner.opened(this, name, kind)))
    channel.addEventListener('message', ({ data }) => {
      if (data instanceof ArrayBuffer) this.owner.frame(this, name, new Uint8Array(data))
    })
    channel.addEventListener('close', () => this.#fail())
    return channel
  }

  #signal(message: { type: string; [field: string]: unknown }): void {
    const ours = { ...message, generation: this.generation }
    this.#said.push(ours)
    this.owner.signal(ours)
  }

  /** A candidate as it may pass; the end of them always may. */
  #through(direction: 0 | 1, candidate: RTCIceCandidateInit): RTCIceCandidateInit | undefined {
    const text = this.#filters[direction].candidate(String(candidate.candidate))
    return text === null ? undefined : { ...candidate, candidate: text }
  }

  async #addCandidate(told: RTCIceCandidateInit | null): Promise<void> {
    const candidate = told?.candidate ? this.#through(1, told) : null
    if (candidate === undefined) {
      this.owner.refused('candidates', 1)
      return
    }
    // One candidate that cannot be used is no reason to give up the others.
    await this.#connection.addIceCandidate(candidate ?? undefined).catch(() => undefined)
  }

  #inNextTurn(step: () => Promise<void>): void {
    this.#inbox = this.#inbox.then(step).catch(() => this.#fail())
  }

  #fail(): void {
    this.#connection.close()
    this.owner.failed(this)
  }
}
