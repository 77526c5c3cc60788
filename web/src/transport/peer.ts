/* One generation of the direct connection: an RTCPeerConnection with two negotiated channels, `control` (unordered, no
 * retransmissions) and `bulk` (reliable). */

import type { Bytes } from '../protocol/bytes.ts'
import type { Channel } from '../protocol/generations.ts'
import { Negotiation, type Said } from './negotiation.ts'

/** A channel that answers nothing for this long gets few frames: without a network SCTP's window is down to one packet,
 * opened anew less and less often, and what filled it before the network was back would keep out what follows. */
const UNHEARD_AFTER = 400
const FEW_EVERY = 150
const FEW_AT_ONCE = 16

/** ICE may find a better path after the first. */
const LOOK_AGAIN = 2000

export interface PeerOwner {
  signal(message: Said): void
  opened(peer: Peer, channel: Channel, isRelayed: boolean): void
  /** ICE may have found a better path. */
  pathFound(peer: Peer, isRelayed: boolean): void
  frame(peer: Peer, channel: Channel, data: Bytes): void
  refused(what: 'ice_servers' | 'candidates', times: number): void
  failed(peer: Peer): void
}

export class Peer extends Negotiation {
  readonly #channels: { [name in Channel]: RTCDataChannel }
  /** When `control` was first given something after it was last heard. */
  #askedAt = Infinity
  /** When it may have as many at once again. */
  #fullAt = 0

  constructor(private readonly owner: PeerOwner) {
    super()
    this.#channels = {
      control: this.#open('control', { negotiated: true, id: 0, ordered: false, maxRetransmits: 0 }),
      bulk: this.#open('bulk', { negotiated: true, id: 1 }),
    }
    this.prepareOffer()
  }

  /** False where the channel does not take it. */
  send(name: Channel, data: Bytes): boolean {
    const channel = this.#channels[name]
    if (name === 'control') {
      const now = performance.now()
      this.#askedAt = Math.min(this.#askedAt, now)
      const fullAt = Math.max(this.#fullAt, now) + FEW_EVERY
      const latest = now + FEW_AT_ONCE * FEW_EVERY
      if (now - this.#askedAt > UNHEARD_AFTER && fullAt > latest) return false
      this.#fullAt = Math.min(fullAt, latest)
    }
    try {
      channel.send(data)
      return true
    } catch {
      return false
    }
  }

  /** Whether a relay is on the way, at either end. */
  async isRelayed(): Promise<boolean> {
    try {
      const reports = (await this.connection.getStats()) as unknown as Map<string, { [field: string]: string | boolean }>
      const all = [...reports.values()]
      const chosen = all.find((report) => report['type'] === 'transport')?.['selectedCandidatePairId']
      const pair = reports.get(String(chosen)) ?? all.find((report) => report['selected'] === true)
      const ends = [pair?.['localCandidateId'], pair?.['remoteCandidateId']]
      return ends.some((id) => reports.get(String(id))?.['candidateType'] === 'relay')
    } catch {
      return false
    }
  }

  protected override signal(message: Said): void {
    this.owner.signal(message)
  }

  protected override refused(what: 'ice_servers' | 'candidates', times: number): void {
    this.owner.refused(what, times)
  }

  protected override failed(): void {
    this.owner.failed(this)
  }

  #open(name: Channel, options: RTCDataChannelInit): RTCDataChannel {
    const channel = this.connection.createDataChannel(name, options)
    channel.binaryType = 'arraybuffer'
    channel.addEventListener('open', () => void this.isRelayed().then((is) => this.owner.opened(this, name, is)))
    if (name === 'control') {
      channel.addEventListener('open', () => setTimeout(() => void this.isRelayed().then((is) => this.owner.pathFound(this, is)), LOOK_AGAIN))
    }
    channel.addEventListener('message', ({ data }) => {
      if (name === 'control') this.#askedAt = Infinity
      if (data instanceof ArrayBuffer) this.owner.frame(this, name, new Uint8Array(data))
    })
    channel.addEventListener('close', () => this.fail())
    return channel
  }
}
