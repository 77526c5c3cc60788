/* Media on the presenter page: the camera and microphone that the speaker sends, the operator's voice, and the screen as it
 * is now. Loaded when one of them is asked for; clicking needs nothing of it. */

import type { PresenterConnection, ConnectionEvent } from '../transport/connection.ts'
import { find } from '../ui/dom.ts'
import { button, element, list } from '../ui/elements.ts'
import type { App } from '../pages/presenter/app.ts'
import { Devices } from './devices.ts'
import { MediaConnection } from './media_connection.ts'
import { Panel } from './panel.ts'
import type { Kind } from './refusals.ts'
import { ScreenView } from './screen_view.ts'
import styles from './speaker.css?url'
import { chips, type Sending, sendingWords } from './words.ts'

const KINDS: readonly Kind[] = ['camera', 'microphone']

/** `app` is what the page is now. Fails where the server cannot be asked any more. */
export async function begin(connection: PresenterConnection, app: () => App): Promise<Speaker> {
  await loadStyles() // the panel is not shown before it looks like one
  return new Speaker(connection, app)
}

function loadStyles(): Promise<void> {
  const link = document.createElement('link')
  link.rel = 'stylesheet'
  link.href = styles
  return new Promise((resolve, reject) => {
    link.addEventListener('load', () => resolve())
    link.addEventListener('error', () => {
      link.remove()
      reject(new Error('The style sheet could not be loaded.'))
    })
    document.head.append(link)
  })
}

export class Speaker {
  readonly devices = new Devices(() => this.#sync())
  readonly screen: ScreenView
  readonly #media: MediaConnection
  readonly #panel = new Panel({
    devices: this.devices,
    kinds: () => KINDS.filter((kind) => this.app().media[kind]),
    isOn: (kind) => this.#isSent(kind),
    isMuted: () => this.#muted,
    hears: () => this.#hears(),
    status: () => sendingWords(this.#sending()),
    switchTo: (kind, on) => this.#switch(kind, on),
    hear: (on) => {
      this.#hearing = on
      this.#sync()
    },
    preview: (kind) => void this.devices.open([kind]),
    stop: () => this.#stop(),
    closed: () => this.#panelClosed(),
  })
  readonly #voice = new Audio()
  readonly #chips = element('ul', 'chips')
  readonly #mute = button('Mute', 'mute', () => this.#switch('microphone', this.#muted))
  readonly #open = find('media')
  readonly #live = find('live')
  /** What the speaker has switched on. The device may still be asked for, or be gone for a moment. */
  readonly #on = { camera: false, microphone: false }
  #muted = false
  /** Null: as long as something is sent. */
  #hearing: boolean | null = null

  constructor(
    connection: PresenterConnection,
    private readonly app: () => App,
  ) {
    const { camera, microphone } = app().media
    this.#media = new MediaConnection(camera || microphone ? ['screen', 'camera', 'microphone', 'sound'] : ['screen'], connection, {
      changed: () => this.#sync(),
      received: (line, track) => this.#received(line, track),
    })
    this.screen = new ScreenView(find('pad'), this.#media)
    this.#chips.dataset['testid'] = 'media-chips'
    this.#chips.setAttribute('aria-label', 'What is sent')
    this.#chips.setAttribute('aria-live', 'polite')
    find('pad').append(this.#chips)
    this.#mute.dataset['testid'] = 'mute'
    this.#open.before(this.#mute)
    this.#sync()
  }

  /** Opens it, or closes it. */
  panel(): void {
    if (this.#panel.isOpen) {
      this.#panel.close()
      return
    }
    this.#panel.open(find('app'))
    this.#open.setAttribute('aria-expanded', 'true')
    // What was switched off on purpose stays off.
    if (!this.#muted) void this.devices.open(KINDS.filter((kind) => this.app().media[kind]))
  }

  /** Shows the screen as it is now, or the slide's picture. */
  live(): void {
    this.screen.want(!this.screen.wanted)
    this.#media.hurry()
    this.#sync()
  }

  happened(event: ConnectionEvent): void {
    if (event.type === 'session' || event.type === 'privacy_tightened') this.#media.sessionBegan()
    if (event.type === 'path_lost') this.#media.pathSilent()
    if (event.type === 'error' && event.final) this.#stop()
    this.#sync()
  }

  #switch(kind: Kind, on: boolean): void {
    this.#on[kind] = on
    const { track } = this.devices[kind]
    if (kind === 'microphone') {
      this.#muted = !on && track !== null
      if (track) track.enabled = on // silent before anything else is done
    } else if (!on) {
      this.devices.close(kind)
    }
    this.#sync()
    this.#media.hurry()
    if (on && !track) void this.devices.open([kind])
  }

  #stop(): void {
    for (const kind of KINDS) {
      this.#on[kind] = false
      this.devices.close(kind)
    }
    this.#muted = false
    this.#hearing = null
    this.#sync()
  }

  #panelClosed(): void {
    this.#open.setAttribute('aria-expanded', 'false')
    this.#open.focus()
    // What only the speaker has looked at is let go of.
    for (const kind of KINDS) {
      const { track, awaited } = this.devices[kind]
      this.#on[kind] &&= track !== null || awaited
      if (!this.#on[kind] && !(kind === 'microphone' && this.#muted)) this.devices.close(kind)
    }
    this.#sync()
  }

  #isSent(kind: Kind): boolean {
    return this.#on[kind] && this.devices[kind].track !== null
  }

  /** The speaker wants to send something, whether it can be had just now or not. */
  #sends(): boolean {
    return this.#muted || KINDS.some((kind) => this.#on[kind] && (this.devices[kind].track || this.devices[kind].awaited || this.devices[kind].asking))
  }

  #hears(): boolean {
    return this.#hearing ?? this.#sends()
  }

  #sending(): Sending {
    const [camera, microphone] = [this.#isSent('camera'), this.#isSent('microphone')]
    const { connectionState, refusal } = this.#media
    return { camera, microphone, muted: this.#muted, connectionState, refusal, state: this.app().media }
  }

  /** Everything follows from what is switched on, what devices there are, and what the host allows. */
  #sync(): void {
    const { media } = this.app()
    if (this.devices.microphone.track === null) this.#muted = false
    for (const kind of KINDS) {
      if (!media[kind]) {
        this.#on[kind] = false
        this.devices.close(kind)
      }
      // Who changes their camera has not switched it off.
      if (!this.#on[kind] || !this.devices[kind].asking) this.#media.setTrack(kind, this.#on[kind] ? this.devices[kind].track : null)
    }
    this.screen.shared = media.screen === true
    const { state, ...sending } = this.#sending()
    if (this.#sends() || this.#hearing || this.screen.wanted) this.#media.open()
    else this.#media.close()
    this.#playVoice()
    this.#mute.hidden = !this.devices.microphone.track || !(this.#on.microphone || this.#muted)
    this.#mute.textContent = this.#muted ? 'Unmute' : 'Mute'
    this.#mute.setAttribute('aria-pressed', String(this.#muted))
    this.#live.setAttribute('aria-pressed', String(this.screen.wanted))
    list(this.#chips, chips({ ...sending, state }), ({ text }) => text, ({ name, text }) => [element('span', name, text)])
    this.#panel.render()
  }

  #received(line: string, track: MediaStreamTrack): void {
    if (line === 'screen') this.screen.received(track)
    if (line === 'sound') this.#voice.srcObject = new MediaStream([track])
    this.#playVoice()
  }

  #playVoice(): void {
    this.#voice.muted = !this.#hears()
    if (this.#voice.srcObject && this.#hears() && this.#voice.paused) void this.#voice.play().catch(() => undefined)
  }
}
