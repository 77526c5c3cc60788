/* The rest of the presenter page: everything that the first tap does not need. It is loaded once the page is connected,
 * so that what a tap does need arrives sooner; until then, and if the server is gone by then, the page clicks without it. */

import type { PresenterConnection, ConnectionEvent } from '../../transport/connection.ts'
import type { Intent } from '../../protocol/records.ts'
import type { Speaker } from '../../media/speaker.ts'
import { find, setAttribute, setText } from '../../ui/dom.ts'
import { showError } from '../../ui/error_page.ts'
import { draw, pictureRequests, Pictures } from '../../ui/pictures.ts'
import { keepScreenOn } from '../../ui/wake_lock.ts'
import { type App, can, mayClick, mayPoint } from './app.ts'
import { laserPad } from './laser.ts'
import type { Shield } from './shield.ts'
import { buildWords, elapsed } from './slide_text.ts'

const place = {
  connection: find('connection'),
  pad: find('pad'),
  picture: find<HTMLCanvasElement>('picture'),
  noPicture: find('no-picture'),
  start: find<HTMLButtonElement>('start'),
  build: find('build'),
  title: find('title'),
  nextPicture: find<HTMLCanvasElement>('next-picture'),
  nextTitle: find('next-title'),
  notes: find('notes'),
  black: find<HTMLButtonElement>('black'),
  goTo: find<HTMLButtonElement>('goto'),
  elapsed: find('elapsed'),
  serverSays: find('server-says'),
  media: find('media'),
  live: find('live'),
}

/** How many device pixels a full picture is worth, in steps, so that turning the phone asks for nothing new. */
function pictureWidth(): number {
  const width = place.pad.clientWidth * Math.min(devicePixelRatio, 2)
  return Math.min(1600, Math.max(320, Math.ceil(width / 320) * 320))
}

export { showError }

export class Rest {
  readonly #pictures: Pictures
  #app: App
  #notesOf = ''
  /** Camera, microphone and the live screen: a module of their own, when one of them is asked for. */
  #speaker: Speaker | null = null
  #coming: Promise<Speaker | null> | null = null
  #loading = 0
  #shield: Shield | null = null
  readonly #letScreenSleep = keepScreenOn()

  constructor(
    private readonly connection: PresenterConnection,
    app: App,
    submit: (intent: Intent) => void,
  ) {
    this.#app = app
    this.#pictures = new Pictures(
      pictureRequests((message) => connection.send(message)),
      () => this.show(this.#app),
    )
    place.black.addEventListener('click', () => submit({ verb: 'black', argument: 0 }))
    place.start.addEventListener('click', () => submit({ verb: 'start', argument: 0 }))
    this.#goToDialog(submit)
    place.serverSays.addEventListener('click', () => (place.serverSays.hidden = true))
    find('compare').addEventListener('click', () => void this.#openShield())
    // What the laser pad shows is as wide to its height as the picture.
    const ratio = (): number => this.#speaker?.screen.ratio ?? place.picture.width / place.picture.height
    laserPad(place.pad, find('dot'), ratio, (points) => mayPoint(this.#app) && connection.point(points))
    place.media.addEventListener('click', () => void this.#media().then((speaker) => speaker?.panel()))
    place.live.addEventListener('click', () => void this.#media().then((speaker) => speaker?.live()))
    globalThis.addEventListener('resize', () => this.#wantPictures())
    setInterval(() => this.#tick(), 1000)
    this.#tick()
  }

  happened(event: ConnectionEvent, app: App): void {
    this.#app = app
    this.#speaker?.happened(event)
    if (event.type === 'session' || event.type === 'path_lost') this.#pictures.forgetRequests()
    if (event.type === 'error' && event.final) this.#letScreenSleep()
    if (event.type === 'notice') this.#says(event.text)
    if (event.type === 'picture') this.#pictures.arrived(event.id, event.data)
    if (event.type === 'message' && event.message.type === 'no_picture') this.#pictures.noPicture(event.message.id, event.message.reason)
    if (event.type === 'path_lost' || (event.type === 'message' && event.message.type === 'state')) this.#wantPictures()
  }

  /** Of who runs the server, and not sealed: it stands apart from what the host says, until it is tapped away. */
  #says(text: string): void {
    setText(place.serverSays, `The server's operator: ${text}`)
    place.serverSays.hidden = false
  }

  show(app: App): void {
    const clicks = mayClick(app)
    place.pad.classList.toggle('points', mayPoint(app))
    place.black.disabled = !clicks || !can(app, 'black')
    setAttribute(place.black, 'aria-pressed', String(app.deck.blank === 'black'))
    place.goTo.disabled = !clicks || !can(app, 'goto')
    place.start.hidden = !clicks || app.deck.status !== 'no_show' || !can(app, 'start')
    place.media.hidden = !app.media.camera && !app.media.microphone
    place.live.hidden = !app.media.screen
    // A speaker who is on air or recorded is told, also after a reload.
    if ((app.media.on_air || app.media.recording) && !this.#loading) void this.#media()
    setText(place.build, buildWords(app))
    setText(place.title, app.deck.slide_title ?? '')
    this.#shield?.show(app)
    this.#showNotes(app)
    this.#showPictures(app)
  }

  #media(): Promise<Speaker | null> {
    return (this.#coming ??= this.#loadMedia())
  }

  async #loadMedia(): Promise<Speaker | null> {
    globalThis.importQuery = this.#loading++ ? `?${this.#loading}` : ''
    try {
      const { begin } = await import('../../media/speaker.ts')
      setText(place.media, 'Camera')
      return (this.#speaker = await begin(this.connection, () => this.#app))
    } catch {
      this.#coming = null
      setText(place.media, 'Try again')
      return null
    }
  }

  async #openShield(): Promise<void> {
    globalThis.importQuery = this.#loading++ ? `?${this.#loading}` : ''
    try {
      this.#shield ??= new (await import('./shield.ts')).Shield(this.connection)
      await this.#shield.open(this.#app)
    } catch {
      setText(find('compare-words'), 'The server did not answer. Close this and try again.')
      find<HTMLDialogElement>('compare-dialog').showModal()
    }
  }

  #tick(): void {
    const { started } = this.#app
    const { core, now, refused } = this.connection
    const clock = core.session?.hostClock(now()) ?? null
    setText(place.elapsed, elapsed(started === null || clock === null ? null : (clock - started) | 0))
    const { ice_servers: servers, candidates } = refused
    const said = servers + candidates > 0 ? `Refused: ${servers} ICE servers, ${candidates} addresses` : ''
    setAttribute(place.connection, 'title', said)
    this.#shield?.show(this.#app)
    this.#wantPictures()
  }

  #wantPictures(): void {
    const { deck } = this.#app
    this.#pictures.ofDeck(`${deck.driver} ${deck.title} ${deck.count} ${deck.edition}`)
    if (!deck.pictures || deck.slide === null) return
    const around = [deck.slide, deck.slide + 1, deck.slide - 1]
    this.#pictures.want(
      around.filter((slide) => slide >= 1 && slide <= (deck.count ?? Infinity)),
      pictureWidth(),
    )
  }

  #showNotes({ deck: { notes, slide }, known }: App): void {
    setText(place.notes, notes || (known && slide !== null ? 'No notes for this slide.' : ''))
    place.notes.classList.toggle('none', !notes)
    const of = `${slide} ${notes}`
    if (of !== this.#notesOf) place.notes.scrollTop = 0
    this.#notesOf = of
  }

  #showPictures({ deck, known }: App): void {
    const { slide, count, pictures: has } = deck
    const running = deck.status === 'running'
    const current = has ? this.#pictures.get(slide) : undefined
    // Until the new picture is here the old one would be a lie about what the audience sees: dim it.
    const undrawable = deck.drawable === false && !current
    draw(place.picture, current, !has || slide === null || undrawable)
    place.pad.classList.toggle('waiting', has && running && !current)
    const words = undrawable ? 'This slide cannot be drawn' : has && running ? '' : deck.slide_title ?? deck.title ?? ''
    setText(place.noPicture, current || !known ? '' : words)
    const following = slide === null || (count !== null && slide >= count) ? null : slide + 1
    draw(place.nextPicture, has ? this.#pictures.get(following) : undefined, true)
    setText(place.nextTitle, following === null ? (slide === null ? '' : 'Last slide') : deck.next_title ? `Next: ${deck.next_title}` : 'Next')
  }

  #goToDialog(submit: (intent: Intent) => void): void {
    const dialog = find<HTMLDialogElement>('goto-dialog')
    const input = find<HTMLInputElement>('goto-slide')
    place.goTo.addEventListener('click', () => {
      input.value = ''
      input.max = String(this.#app.deck.count ?? 65535)
      dialog.showModal()
    })
    find('goto-cancel').addEventListener('click', () => dialog.close())
    dialog.addEventListener('submit', () => submit({ verb: 'goto', argument: input.valueAsNumber }))
  }
}
