/* The page's media connection: there while it is wanted, made anew when it breaks, and never in the way of clicks, which
 * have a connection of their own.
 *
 *     off → connecting → open ⇄ interrupted → (a new generation) connecting …
 *                  refused: asked again much later, or when it is wanted anew
 *
 * What is said to the host goes in sealed messages by whatever way there is; what had no way, or no answer, is said again. */

import type { Rules } from '../protocol/generations.ts'
import type { FromHost, FromPresenter, MediaAnswer, MediaCandidate, MediaRefused } from '../protocol/messages.ts'
import { isFromPage, type Line } from './lines.ts'
import { MediaPeer } from './media_peer.ts'

export type MediaConnectionState = 'off' | 'connecting' | 'open' | 'interrupted' | 'refused'

/** Of the control connection, by whose way everything is agreed. */
export interface Host {
  readonly core: {
    /** Null until there is a session. */
    readonly session: object | null
    rules(): Rules
  }
  /** False: there is no way to the host now. */
  send(message: FromPresenter): boolean
  onMessage<T extends FromHost['type']>(type: T, handler: (message: Extract<FromHost, { type: T }>) => void): void
}

export interface MediaOwner {
  changed(): void
  received(line: Line, track: MediaStreamTrack): void
}

/** An offer without an answer is said again after this, at first. */
const OFFER_AGAIN = 1000
/** How long a generation may take until it is open. */
const PATIENCE = 15_000
/** ICE may find back by itself: what is interrupted longer is made anew. */
const INTERRUPTED_FOR = 3000
const BACKOFF_FIRST = 1000
const BACKOFF_LAST = 30_000
/** A connection that lasted this long was a good one. */
const PROVEN_AFTER = 10_000
const TELL_AGAIN = 1000
/** What a host takes for granted of who says nothing. */
const NOTHING = JSON.stringify({ camera: false, microphone: false, screen: false })

export class MediaConnection {
  connectionState: MediaConnectionState = 'off'
  /** The host's own words. */
  refusal = ''
  /** What came and may not be used: see negotiation.ts. */
  readonly stopped = { ice_servers: 0, candidates: 0 }
  readonly #tracks = new Map<Line, MediaStreamTrack>()
  #wantsScreen = false
  #peer: MediaPeer | null = null
  #generation = 0
  #failures = 0
  /** Null: what the host knows of it is not certain. */
  #told: string | null = NOTHING
  /** Everything that waits in this generation: one thing at a time. */
  #timer: ReturnType<typeof setTimeout> | undefined
  #patience: ReturnType<typeof setTimeout> | undefined
  #telling: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly lines: readonly Line[],
    private readonly host: Host,
    private readonly owner: MediaOwner,
  ) {
    for (const type of ['media_answer', 'media_candidate', 'media_refused'] as const) {
      host.onMessage(type, (message) => this.#receive(message))
    }
  }

  /** It is wanted. Said as often as one likes. */
  open(): void {
    if (this.connectionState === 'off') this.#begin()
  }

  /** The user pressed a button: where it waits to try again, it tries now. */
  hurry(): void {
    if (this.connectionState === 'off' || this.#peer) return
    this.#failures = 0
    this.#begin()
  }

  /** It is not wanted any more. */
  close(): void {
    if (this.connectionState === 'off') return
    if (this.#peer) this.host.send({ type: 'media_close', generation: this.#peer.generation })
    this.#drop()
    this.#setState('off')
  }

  /** What a line carries from now on; it may be told before there is a connection. */
  setTrack(line: Line, track: MediaStreamTrack | null): void {
    if (track) this.#tracks.set(line, track)
    else this.#tracks.delete(line)
    this.#peer?.setTrack(line, track)
    this.#tell()
  }

  set wantsScreen(wants: boolean) {
    this.#wantsScreen = wants
    this.#tell()
  }

  /** Whether this line's track is really on its way. */
  isSending(line: Line): boolean {
    return this.connectionState === 'open' && this.#tracks.has(line)
  }

  #receive(message: MediaAnswer | MediaCandidate | MediaRefused): void {
    const peer = this.#peer
    if (!peer || peer.generation !== message.generation) return
    if (message.type === 'media_answer') {
      peer.receiveAnswer(message.sdp, peer.isAt(message.network))
      this.#told = null
      this.#tell()
    } else if (message.type === 'media_candidate') {
      peer.receiveCandidate(message.candidate ?? null)
    } else {
      this.refusal = message.message
      this.#drop()
      this.#wait(BACKOFF_LAST)
      this.#setState('refused')
    }
  }

  /** A new session stands, and what it knows of the one before is not certain; or the connection has to keep to other rules. */
  sessionBegan(): void {
    this.#told = null
    if (this.connectionState !== 'off') this.#begin()
    this.#tell()
  }

  /** A path died, and what was said by it may be lost. */
  pathSilent(): void {
    if (this.#peer?.isAnswered === false) this.#peer.offerAgain()
    this.#told = null
    this.#tell()
  }

  /** Frames decoded so far of what is received on a line. */
  async frames(line: Line): Promise<number> {
    return (await this.#peer?.frames(line)) ?? 0
  }

  #begin(): void {
    this.#drop()
    this.#setState('connecting')
    if (!this.host.core.session) return // the session that is coming begins anew
    const peer = (this.#peer = new MediaPeer(this.lines, {
      signal: (message) => void this.host.send(message),
      refused: (what, times) => {
        this.stopped[what] += times
      },
      changed: (changed) => changed === this.#peer && this.#stateChanged(changed.state),
      received: (from, line, track) => from === this.#peer && this.owner.received(line, track),
      failed: (failed) => failed === this.#peer && this.#failed(),
    }))
    for (const [line, track] of this.#tracks) peer.setTrack(line, track)
    void peer.offer(this.host.core.rules(), ++this.#generation)
    this.#sayAgain(peer, OFFER_AGAIN)
    this.#patience = setTimeout(() => this.#failed(), PATIENCE)
  }

  #sayAgain(peer: MediaPeer, wait: number): void {
    this.#timer = setTimeout(() => {
      if (peer.isAnswered) return
      peer.offerAgain()
      this.#sayAgain(peer, 2 * wait)
    }, wait)
  }

  #stateChanged(state: RTCPeerConnectionState): void {
    if (state === 'connected') {
      clearTimeout(this.#timer)
      clearTimeout(this.#patience)
      this.#timer = setTimeout(() => {
        this.#failures = 0
      }, PROVEN_AFTER)
      this.#setState('open')
    } else if (state === 'disconnected') {
      clearTimeout(this.#timer)
      this.#timer = setTimeout(() => this.#begin(), INTERRUPTED_FOR)
      this.#setState('interrupted')
    }
  }

  #failed(): void {
    const wait = Math.min(BACKOFF_LAST, BACKOFF_FIRST * 2 ** this.#failures++)
    this.#drop()
    this.#wait(wait * (0.5 + Math.random() / 2))
    this.#setState('interrupted')
  }

  #wait(time: number): void {
    this.#timer = setTimeout(() => this.#begin(), time)
  }

  #drop(): void {
    clearTimeout(this.#timer)
    clearTimeout(this.#patience)
    this.#peer?.close()
    this.#peer = null
  }

  #setState(connectionState: MediaConnectionState): void {
    if (this.connectionState === connectionState) return
    this.connectionState = connectionState
    this.#tell()
    this.owner.changed()
  }

  /** Says what is switched on and wanted, whenever that is not what was said last. A connection that breaks and is made
   * anew changes nothing of it: a moment without network takes no speaker off air. */
  #tell(): void {
    clearTimeout(this.#telling)
    const on = this.connectionState !== 'off' && this.connectionState !== 'refused'
    const voices = this.lines.filter((line) => isFromPage(line) && line !== 'camera')
    const microphone = on && voices.some((line) => this.#tracks.has(line))
    const said = { camera: on && this.#tracks.has('camera'), microphone, screen: on && this.#wantsScreen }
    const text = JSON.stringify(said)
    if (this.#told === text) return
    if (this.host.send({ type: 'media_on', ...said })) this.#told = text
    else this.#telling = setTimeout(() => this.#tell(), TELL_AGAIN)
  }
}
