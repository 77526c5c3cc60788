/* What every peer connection with the host begins with: an offer of ours inside a sealed message, an answer, candidates,
 * and the room's privacy between all that is said and the browser. It is never repaired: its owner makes the next
 * generation. */

import type { Candidate, Offer } from '../protocol/messages.ts'
import type { Rules } from '../protocol/generations.ts'
import { Filter, permitServers, readPrivacy } from '../protocol/privacy.ts'

export type Said = Offer | Candidate

export abstract class Negotiation {
  #offer: Promise<RTCSessionDescriptionInit> | undefined
  /** What the host said is obeyed strictly in order, each after the one before. */
  #inbox: Promise<void> = Promise.resolve()
  #early: (RTCIceCandidateInit | null)[] | null = []
  /** What was said so far. It may have got lost with the path that it took. */
  readonly #said: Said[] = []
  /** What we say passes one, what we are told the other. */
  #filters = [new Filter('private'), new Filter('private')] as const
  #network = ''

  protected readonly connection: RTCPeerConnection

  /** Of those with the host, counted by who makes them. */
  generation = 0

  constructor(private readonly configuration: RTCConfiguration = {}) {
    const connection = (this.connection = new RTCPeerConnection({ ...configuration, iceServers: [] }))
    connection.addEventListener('icecandidate', ({ candidate }) => {
      // An empty candidate ends one component; null ends them all, and is the only end the host needs.
      if (candidate?.candidate === '') return
      const passed = candidate && this.#through(0, candidate.toJSON())
      if (passed !== undefined) this.#say({ type: 'candidate', generation: this.generation, candidate: passed })
    })
    connection.addEventListener('connectionstatechange', () => {
      if (connection.connectionState === 'failed') this.fail()
    })
  }

  /** To the host, inside a sealed message. */
  protected abstract signal(message: Said): void
  /** What came and may not be used: servers that are neither the server's own nor the host's, addresses that the room's
   * privacy forbids. */
  protected abstract refused(what: 'ice_servers' | 'candidates', times: number): void
  /** It will not carry anything any more. */
  protected abstract failed(): void

  /** Made before it is wanted: that takes longer than a message. */
  protected prepareOffer(): void {
    this.#offer = this.connection.createOffer().catch(() => ({ type: 'offer' }))
  }

  async offer({ iceServers, ownHost, network, privacy, ice_hosts: hosts, relaysOnly }: Rules, generation: number): Promise<void> {
    this.generation = generation
    const policy = relaysOnly ? 'private' : readPrivacy(privacy, 'balanced')
    const listed = Array.isArray(hosts) ? hosts.filter((host) => typeof host === 'string') : []
    const { permitted, refused } = permitServers(iceServers, [ownHost, ...listed])
    this.refused('ice_servers', refused.length)
    this.#filters = [new Filter(policy), new Filter(policy)]
    this.#network = network
    try {
      const iceTransportPolicy = policy === 'private' ? 'relay' : 'all'
      this.connection.setConfiguration({ ...this.configuration, iceServers: permitted, iceTransportPolicy })
      const offer = await this.#offer
      // Its candidates follow.
      const sdp = this.#filters[0].description(offer?.sdp ?? '')
      this.#say({ type: 'offer', generation: this.generation, sdp, ...(network && { network }), ...(relaysOnly && { privacy: policy }) })
      await this.connection.setLocalDescription(offer)
    } catch {
      this.fail()
    }
  }

  get isAnswered(): boolean {
    return this.#early === null
  }

  /** Say all of it again. The host answers an offer that it has answered with the same answer. */
  offerAgain(): void {
    for (const message of this.#said) this.signal(message)
  }

  /** Whether the other end is at this place. */
  isAt(network: unknown): boolean {
    return this.#network !== '' && network === this.#network
  }

  receiveAnswer(sdp: string, isNear: boolean): void {
    this.#inNextTurn(async () => {
      if (this.isAnswered) return
      const said = this.#filters[1]
      for (const filter of this.#filters) filter.isNear = isNear
      await this.connection.setRemoteDescription({ type: 'answer', sdp: said.description(sdp) })
      this.refused('candidates', said.stopped)
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

  close(): void {
    this.connection.close()
  }

  protected fail(): void {
    this.connection.close()
    this.failed()
  }

  #say(message: Said): void {
    this.#said.push(message)
    this.signal(message)
  }

  /** A candidate as it may pass; the end of them always may. */
  #through(direction: 0 | 1, candidate: RTCIceCandidateInit): RTCIceCandidateInit | undefined {
    const text = this.#filters[direction].candidate(String(candidate.candidate))
    return text === null ? undefined : { ...candidate, candidate: text }
  }

  async #addCandidate(told: RTCIceCandidateInit | null): Promise<void> {
    const candidate = told?.candidate ? this.#through(1, told) : null
    if (candidate === undefined) {
      this.refused('candidates', 1)
      return
    }
    // One candidate that cannot be used is no reason to give up the others.
    await this.connection.addIceCandidate(candidate ?? undefined).catch(() => undefined)
  }

  #inNextTurn(step: () => Promise<void>): void {
    this.#inbox = this.#inbox.then(step).catch(() => this.fail())
  }
}
