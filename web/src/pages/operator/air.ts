/* Who is on air, the shared screen, and the recording, on the operator's page. What it takes to see, hear and speak is
 * loaded when it is asked for. */

import type { PresenterConnection, ConnectionEvent } from '../../transport/connection.ts'
import type { CommandRequest } from '../../protocol/messages.ts'
import type { Watcher } from '../../media/watcher.ts'
import { find, setAttribute, setText } from '../../ui/dom.ts'
import { elapsedWords, type Room } from './room.ts'

type Command = (request: CommandRequest, words: string) => void

const place = {
  section: find('air'),
  view: find('air-view'),
  video: find<HTMLVideoElement>('air-video'),
  nobody: find('air-nobody'),
  who: find('air-who'),
  watch: find<HTMLButtonElement>('watch'),
  listen: find<HTMLButtonElement>('listen'),
  talk: find<HTMLButtonElement>('talk'),
  share: find<HTMLButtonElement>('share'),
  record: find<HTMLButtonElement>('record'),
  recorded: find('recorded'),
  problem: find('media-problem'),
}

export class Air {
  #watcher: Watcher | null = null
  #coming: Promise<Watcher | null> | null = null
  #loading = 0
  #room: Room | null = null
  /** When the recording began, by our clock. */
  #recordingSince: number | null = null

  constructor(
    private readonly connection: PresenterConnection,
    command: Command,
    private readonly name: (session: number) => string,
  ) {
    place.watch.addEventListener('click', () => this.#with((watcher) => watcher.watch(!watcher.watching)))
    place.listen.addEventListener('click', () => this.#with((watcher) => watcher.listen(!watcher.listening)))
    place.share.addEventListener('click', () => {
      const on = !this.#room?.media?.screen
      command({ name: 'share_screen', on }, on ? 'The screen is shared.' : 'The screen is not shared any more.')
    })
    place.record.addEventListener('click', () => {
      const on = !this.#room?.media?.recording
      command({ name: 'record', on }, on ? 'Recording.' : 'The recording is finished.')
    })
    this.#holdToTalk()
    setInterval(() => this.#tick(), 1000)
  }

  happened(event: ConnectionEvent): void {
    this.#watcher?.happened(event)
  }

  show(room: Room): void {
    this.#room = room
    const { media } = room
    place.section.hidden = media === null
    if (!media) return
    if (!media.recording) this.#recordingSince = null
    else if (media.recorded !== null) this.#recordingSince = Date.now() - media.recorded * 1000
    else this.#recordingSince ??= Date.now()
    this.#render()
  }

  #render(): void {
    const { media, presenters = [] } = this.#room ?? {}
    if (!media) return
    const watcher = this.#watcher
    const onAir = presenters.find((row) => row.on_air)
    const watches = watcher?.watching === true
    place.view.hidden = !watches
    place.video.hidden = !onAir?.camera || watcher?.connectionState !== 'open'
    setText(place.nobody, place.video.hidden ? (!onAir ? 'Nobody is on air' : watcher?.connectionState === 'open' ? 'Only the voice is on air' : 'Connecting…') : '')
    setText(place.who, onAir ? `${this.name(onAir.session)} is on air` : 'Nobody is on air')
    setAttribute(place.who, 'class', onAir ? 'on-air' : 'quiet')
    setAttribute(place.watch, 'aria-pressed', String(watches))
    setText(place.watch, watches ? 'Hide the picture' : 'Watch')
    setAttribute(place.listen, 'aria-pressed', String(watcher?.listening === true))
    setText(place.listen, watcher?.listening ? 'Sound off' : 'Sound on')
    const heard = watcher?.talking && watcher.connectionState === 'open'
    setAttribute(place.talk, 'aria-pressed', String(watcher?.talking === true))
    setText(place.talk, heard ? 'Presenters hear you' : watcher?.talking ? 'Connecting…' : 'Hold to talk')
    setAttribute(place.share, 'aria-pressed', String(media.screen))
    setText(place.share, media.screen ? 'Stop sharing the screen' : 'Share the screen')
    place.share.disabled = !media.can_share && !media.screen
    setAttribute(place.record, 'aria-pressed', String(media.recording))
    setText(place.record, media.recording ? 'Stop recording' : 'Record')
    setText(place.problem, [media.problem, watcher?.problem].filter(Boolean).join(' '))
    this.#tick()
  }

  #tick(): void {
    const since = this.#recordingSince
    setText(place.recorded, since === null ? '' : elapsedWords((Date.now() - since) / 1000))
  }

  /** A finger, a mouse, or the space bar: as long as it is down. */
  #holdToTalk(): void {
    let held = false
    const hold = (down: boolean): void => {
      held = down
      // What was let go of before there was a microphone is not said later.
      this.#with((watcher) => watcher.talk(held))
    }
    place.talk.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return
      place.talk.setPointerCapture(event.pointerId)
      hold(true)
    })
    for (const type of ['pointerup', 'pointercancel', 'blur']) place.talk.addEventListener(type, () => held && hold(false))
    place.talk.addEventListener('keydown', ({ key, repeat }) => {
      if ((key === ' ' || key === 'Enter') && !repeat) hold(true)
    })
    place.talk.addEventListener('keyup', () => held && hold(false))
    place.talk.addEventListener('contextmenu', (event) => event.preventDefault()) // a long press on a phone
  }

  #with(then: (watcher: Watcher) => void): void {
    this.#coming ??= this.#load()
    void this.#coming.then((watcher) => watcher && then(watcher))
  }

  async #load(): Promise<Watcher | null> {
    globalThis.importQuery = this.#loading++ ? `?${this.#loading}` : ''
    try {
      const { Watcher: Made } = await import('../../media/watcher.ts')
      return (this.#watcher = new Made(this.connection, place.video, () => this.#render()))
    } catch {
      this.#coming = null
      setText(place.problem, 'The server does not answer, so this could not be loaded. Try again.')
      return null
    }
  }
}
