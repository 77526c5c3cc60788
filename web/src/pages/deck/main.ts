/* The web deck: a page that shows what the host says is shown. It holds no position of its own and asks for nothing but
 * pictures, so any number of these pages agree, and closing one changes nothing. */

import { PresenterConnection, type ConnectionEvent, type ConnectionState } from '../../transport/connection.ts'
import { find, setText } from '../../ui/dom.ts'
import { enter, identity, socketUrl } from '../../ui/enter.ts'
import { showError } from '../../ui/error_page.ts'
import { fit } from '../../ui/fit.ts'
import { draw, pictureRequests, Pictures } from '../../ui/pictures.ts'
import type { Intent } from '../../protocol/records.ts'
import { coarseFirst } from './order.ts'
import type { State } from '../../protocol/messages.ts'
import { takeGrant } from './local_keys.ts'
import { readState } from '../../ui/state.ts'
import { listenToKeys } from '../../ui/slide_keys.ts'
import { keepScreenOn } from '../../ui/wake_lock.ts'

/** A short break is not shown to the audience. */
const SAY_AFTER = 2500
/** For so long the slide before stays on the screen while a picture is on its way: no flash of black between two. */
const KEEP_BEFORE = 1000
const BROKEN: { [state in ConnectionState]?: string } = {
  connecting: 'Connecting…',
  reconnecting: 'Reconnecting…',
  host_gone: 'Waiting for the host…',
}

/** Milliseconds after which a key that was pressed too early is forgotten. */
const TAP_WAITS = 2000
const TELLINGS = 8

/** The show is over, and that is nothing to tell an audience in words about links. */
const END = 'room_ended'

const canvas = find<HTMLCanvasElement>('picture')
const dot = find('dot')
const blank = find('blank')
const notice = find('connection')

/** Which slide is waited for, and since when. */
let waiting: { slide: number; since: number } | null = null
let connection: PresenterConnection | null = null
let state: State | null = null
let brokenSince: number | null = Date.now()
let connectionState: ConnectionState = 'connecting'
let letScreenSleep = (): void => undefined

const pictures = new Pictures(
  pictureRequests((message) => connection?.send(message) ?? false),
  () => render(),
  coarseFirst,
)

function wantPictures(): void {
  if (!state) return
  const { deck } = state
  pictures.ofDeck(`${deck.driver} ${deck.title} ${deck.count} ${deck.edition}`)
  if (!deck.pictures || deck.slide === null) return
  const around = [deck.slide, deck.slide + 1, deck.slide - 1]
  const width = Math.min(3840, Math.ceil((innerWidth * devicePixelRatio) / 160) * 160)
  pictures.want(
    around.filter((slide) => slide >= 1 && slide <= (deck.count ?? Infinity)),
    width,
  )
}

function render(): void {
  if (!state) return
  const { deck, laser } = state
  const shown = deck.status === 'running' && deck.slide !== null
  const current = shown ? pictures.get(deck.slide) : undefined
  if (!shown || current || deck.slide === null) waiting = null
  else if (waiting?.slide !== deck.slide) waiting = { slide: deck.slide, since: Date.now() }
  const words = wordsInstead(state)
  draw(canvas, current, words !== '')
  canvas.setAttribute('aria-label', deck.slide === null ? 'No slide' : `Slide ${deck.slide}: ${deck.slide_title ?? ''}`)
  document.title = deck.title || 'Slidewire deck'
  setText(find('placeholder'), words)
  blank.hidden = !deck.blank
  blank.dataset['blank'] = deck.blank ?? ''
  dot.hidden = !laser || Boolean(deck.blank)
  if (laser) {
    const box = { left: 0, top: 0, width: canvas.clientWidth, height: canvas.clientHeight }
    const picture = fit(box, canvas.width / canvas.height)
    dot.style.left = `${picture.left + laser.x * picture.width}px`
    dot.style.top = `${picture.top + laser.y * picture.height}px`
  }
}

/** What stands in the place of a picture; nothing where there is one, or will be in a moment. */
function wordsInstead({ deck }: State): string {
  if (deck.status !== 'running' || deck.slide === null) {
    return deck.status === 'no_show' ? 'The show is not running' : deck.status === 'no_deck' ? 'No slides are open' : ''
  }
  if (!waiting) return ''
  if (deck.drawable === false) return `Slide ${deck.slide} cannot be drawn`
  if (Date.now() - waiting.since < KEEP_BEFORE) return ''
  return pictures.failures(deck.slide) ? `Slide ${deck.slide} has not come. Asking again…` : `Slide ${deck.slide} is on its way`
}

/** What the audience sees from now on. */
function end(): void {
  find('end').hidden = false
  notice.hidden = true
}

function sayWhatIsBroken(): void {
  if (!find('end').hidden) return
  const words = BROKEN[connectionState]
  brokenSince = words ? (brokenSince ?? Date.now()) : null
  notice.hidden = brokenSince === null || Date.now() - brokenSince < SAY_AFTER
  setText(notice, words ?? '')
}

function happened(event: ConnectionEvent): void {
  switch (event.type) {
    case 'connection_state':
      connectionState = event.state
      sayWhatIsBroken()
      break
    case 'path_lost':
      pictures.forgetRequests()
      wantPictures()
      break
    case 'session':
      pictures.forgetRequests()
      tellings = TELLINGS
      showError(null)
      break
    case 'joined':
      showError(null)
      break
    case 'picture':
      pictures.arrived(event.id, event.data)
      break
    case 'message':
      if (event.message.type === 'no_picture') pictures.noPicture(event.message.id, event.message.reason)
      if (event.message.type !== 'state') break
      state = readState(event.message)
      tellGrant()
      submitEarly()
      wantPictures()
      render()
      break
    case 'error':
      if (event.final) letScreenSleep()
      if (event.final && state && event.code === END) end()
      else if (event.final || !state) showError(event)
      break
    default: // a deck page asks for nothing that is answered with a receipt
  }
}

function tellGrant(): void {
  if (!grant || !state || state.you.role === 'click' || tellings === 0) return
  if (connection?.send({ type: 'local_grant', grant })) tellings--
}

/** A key of this computer. The host may not have said yet that they count here. */
function tap(intent: Intent): void {
  early.push({ intent, at: Date.now() })
  submitEarly()
}

function submitEarly(): void {
  if (state?.you.role !== 'click') return
  for (const { intent, at } of early.splice(0)) if (Date.now() - at < TAP_WAITS) connection?.submit(intent)
}

function toggleFullScreen(): void {
  if (document.fullscreenElement) void document.exitFullscreen()
  else void document.documentElement.requestFullscreen?.().catch(() => undefined)
}

/** What the host gave this page, if it opened it on its own computer. */
const grant = takeGrant()
/** How often the host is still told of it in this session: a message may be lost with the path that it took. */
let tellings = 0
const early: { intent: Intent; at: number }[] = []
const entrance = enter()
if ('error' in entrance) {
  showError({ code: entrance.error, message: '', final: true })
} else {
  connection = new PresenterConnection(entrance.link, identity('deck'), socketUrl(), happened)
  void connection.start()
  letScreenSleep = keepScreenOn()
  if (grant) listenToKeys(tap)
  document.addEventListener('dblclick', toggleFullScreen)
  document.addEventListener('keydown', (event) => {
    if (event.code === 'KeyF' && !event.repeat && !event.ctrlKey && !event.metaKey) toggleFullScreen()
  })
  globalThis.addEventListener('resize', () => {
    wantPictures()
    render()
  })
  setInterval(() => {
    sayWhatIsBroken()
    tellGrant()
    wantPictures()
    render()
  }, 500)
}
