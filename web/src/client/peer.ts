/* One generation of the direct connection: an RTCPeerConnection with two negotiated channels, `control` (unordered, no
 * retransmissions) and `bulk` (reliable). */

import type { Bytes } from './bytes.ts'
import { Negotiation, type Rules, type Said } from './negotiation.ts'

export type { Rules }
export type ChannelName = 'control' | 'bulk'

/** Where something has waited to be let out for this long, nothing is added: a copy made when there is room again is
 * worth more, and would find that room taken. */
const STUCK_AFTER = 20

export interface PeerOwner {
  signal(message: Said): void
  opened(peer: Peer, channel: ChannelName, kind: 'direct' | 'relayed'): void
  frame(peer: Peer, channel: ChannelName, data: Bytes): void
  refused(what: 'ice_servers' | 'candidates', times: number): void
  failed(peer: Peer): void
}

export class Peer extends Negotiation {
  readonly #channels: { [name in ChannelName]: RTCDataChannel }
  /** If by then nothing that waits in `control` has left it. */
  #stuckAt = 0

  constructor(
    generation: number,
    private readonly owner: PeerOwner,
  ) {
    super(generation)
    this.#channels = {
      control: this.#open('control', { negotiated: true, id: 0, ordered: false, maxRetransmits: 0 }),
      bulk: this.#open('bulk', { negotiated: true, id: 1 }),
    }
    this.prepareOffer()
  }

  /** False where the channel does not take it. */
  send(name: ChannelName, data: Bytes): boolean {
    const channel = this.#channels[name]
    if (name === 'control') {
      const now = performance.now()
      if (channel.bufferedAmount === 0) this.#stuckAt = now + STUCK_AFTER
      if (now > this.#stuckAt) return false
    }
    try {
      channel.send(data)
      return true
    } catch {
      return false
    }
  }

  /** Whether a relay is on the way, at either end. */
  async kind(): Promise<'direct' | 'relayed'> {
    try {
      const reports = (await this.connection.getStats()) as unknown as Map<string, { [field: string]: string | boolean }>
      const all = [...reports.values()]
      const chosen = all.find((report) => report['type'] === 'transport')?.['selectedCandidatePairId']
      const pair = reports.get(String(chosen)) ?? all.find((report) => report['selected'] === true)
      const ends = [pair?.['localCandidateId'], pair?.['remoteCandidateId']]
      return ends.some((id) => reports.get(String(id))?.['candidateType'] === 'relay') ? 'relayed' : 'direct'
    } catch {
      return 'direct'
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

  #open(name: ChannelName, options: RTCDataChannelInit): RTCDataChannel {
    const channel = this.connection.createDataChannel(name, options)
    channel.binaryType = 'arraybuffer'
    channel.addEventListener('open', () => void this.kind().then((kind) => this.owner.opened(this, name, kind)))
    channel.addEventListener('message', ({ data }) => {
      if (data instanceof ArrayBuffer) this.owner.frame(this, name, new Uint8Array(data))
    })
    channel.addEventListener('close', () => this.fail())
    return channel
  }
}
