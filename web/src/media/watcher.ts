/* Media on the operator's page: see and hear who is on air, and speak to the presenters. Loaded when one of them is asked
 * for. Sound is off until it is switched on: the operator mostly sits in the room. */

import type { PresenterConnection, ConnectionEvent } from '../transport/connection.ts'
import { Devices } from './devices.ts'
import { MediaConnection, type MediaConnectionState } from './media_connection.ts'

/** The microphone is let go of so long after the last word: the next one is quick, and its light does not burn for ever. */
const KEPT_FOR = 60_000

export class Watcher {
  watching = false
  listening = false
  talking = false
  readonly #media: MediaConnection
  readonly #devices = new Devices(() => this.#sync())
  #stream = new MediaStream()
  #release: ReturnType<typeof setTimeout> | undefined

  constructor(
    connection: PresenterConnection,
    private readonly video: HTMLVideoElement,
    private readonly changed: () => void,
  ) {
    this.#media = new MediaConnection(['program', 'program_sound', 'talkback'], connection, {
      changed: () => this.changed(),
      received: (_, track) => this.#received(track),
    })
  }

  get connectionState(): MediaConnectionState {
    return this.#media.connectionState
  }

  /** What keeps us from it, and what to do. */
  get problem(): string {
    const { refusal } = this.#devices.microphone
    if (refusal) return `${refusal.title}. ${refusal.advice}`
    return this.connectionState === 'refused' ? this.#media.refusal : ''
  }

  watch(on: boolean): void {
    this.watching = on
    this.listening &&= on
    this.#sync()
    this.#media.hurry()
  }

  listen(on: boolean): void {
    this.listening = on
    this.watching ||= on
    this.#sync()
  }

  /** While the button is held. */
  talk(on: boolean): void {
    if (this.talking === on) return
    this.talking = on
    clearTimeout(this.#release)
    if (on) void this.#devices.open(['microphone'])
    else this.#release = setTimeout(() => this.#devices.close('microphone'), KEPT_FOR)
    this.#sync()
    this.#media.hurry()
  }

  happened(event: ConnectionEvent): void {
    if (event.type === 'session') this.#media.sessionBegan()
    if (event.type === 'path_lost') this.#media.pathSilent()
  }

  #sync(): void {
    const { track } = this.#devices.microphone
    if (track) track.enabled = this.talking // before anything else: who lets go is not heard
    if (this.watching || track) this.#media.open()
    else this.#media.close()
    this.#media.setTrack('talkback', this.talking ? track : null)
    this.video.muted = !this.listening
    if (this.video.srcObject) void this.video.play().catch(() => undefined)
    this.changed()
  }

  #received(track: MediaStreamTrack): void {
    const others = this.#stream.getTracks().filter((other) => other.kind !== track.kind)
    this.video.srcObject = this.#stream = new MediaStream([...others, track])
    this.#sync()
  }
}
