/* One generation of the media connection: an RTCPeerConnection with one transceiver per line. Which track a line carries
 * may change at any time; that is no new negotiation. */

import type { MediaCandidate, MediaOffer } from '../protocol/messages.ts'
import { Negotiation, type Said } from '../transport/negotiation.ts'
import { addLine, isFromPage, type Line, sendTrack } from './lines.ts'

export interface MediaPeerOwner {
  signal(message: MediaOffer | MediaCandidate): void
  refused(what: 'ice_servers' | 'candidates', times: number): void
  changed(peer: MediaPeer): void
  received(peer: MediaPeer, line: Line, track: MediaStreamTrack): void
  failed(peer: MediaPeer): void
}

export class MediaPeer extends Negotiation {
  readonly #transceivers: ReadonlyMap<Line, RTCRtpTransceiver>
  /** One track after the other: which is sent last is what was wanted last. */
  #turn: Promise<void> = Promise.resolve()

  constructor(
    private readonly lines: readonly Line[],
    private readonly owner: MediaPeerOwner,
  ) {
    super({ bundlePolicy: 'max-bundle' })
    this.#transceivers = new Map(lines.map((line) => [line, addLine(this.connection, line)]))
    this.connection.addEventListener('connectionstatechange', () => this.owner.changed(this))
    this.connection.addEventListener('track', ({ transceiver, track }) => {
      for (const [line, one] of this.#transceivers) if (one === transceiver) this.owner.received(this, line, track)
    })
    this.prepareOffer()
  }

  get state(): RTCPeerConnectionState {
    return this.connection.connectionState
  }

  setTrack(line: Line, track: MediaStreamTrack | null): void {
    const sender = isFromPage(line) ? this.#transceivers.get(line)?.sender : undefined
    if (!sender) return
    this.#turn = this.#turn.then(() => sendTrack(sender, track)).catch(() => undefined) // closed meanwhile
  }

  async frames(line: Line): Promise<number> {
    const reports = await this.#transceivers.get(line)?.receiver.getStats().catch(() => null)
    const all = [...((reports as unknown as Map<string, { [field: string]: unknown }> | null)?.values() ?? [])]
    return Number(all.find(({ type }) => type === 'inbound-rtp')?.['framesDecoded'] ?? 0)
  }

  protected override signal(message: Said): void {
    if (message.type === 'offer') this.owner.signal({ ...message, type: 'media_offer', lines: [...this.lines] })
    else this.owner.signal({ ...message, type: 'media_candidate' })
  }

  protected override refused(what: 'ice_servers' | 'candidates', times: number): void {
    this.owner.refused(what, times)
  }

  protected override failed(): void {
    this.owner.failed(this)
  }
}
