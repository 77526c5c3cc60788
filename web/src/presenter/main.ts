/* The presenter page: where its parts are put together. */

import { Connection } from '../client/connection.ts'
import type { Intent } from '../client/records.ts'
import { find, setText } from '../page/dom.ts'
import { enter, identity, socketUrl } from '../page/enter.ts'
import { Pictures } from '../page/pictures.ts'
import { type AppEvent, BEGINNING, can, mayClick, mayPoint, reduce } from './app.ts'
import { tapButton } from './buttons.ts'
import { vibrate } from './haptics.ts'
import { listenToKeys } from './keys.ts'
import { laserPad } from './laser.ts'
import { pictureRatio, pictureWidth, show } from './view.ts'
import { keepScreenOn } from './wakelock.ts'
import { elapsed } from './words.ts'

/** Milliseconds before the page says that it waits for a receipt. Mostly one comes first, and is drawn without delay. */
const WAITING_SHOWN_AFTER = 150

let app = BEGINNING
let connection: Connection | null = null

const pictures = new Pictures(
  (slide, width) => connection?.requestPicture(slide, width) ?? null,
  () => render(),
)
const controls = {
  next: tapButton(find<HTMLButtonElement>('next'), () => submit({ verb: 'next', argument: 0 })),
  previous: tapButton(find<HTMLButtonElement>('previous'), () => submit({ verb: 'previous', argument: 0 })),
}

function render(): void {
  show(app, controls, pictures)
}

function wantPictures(): void {
  const { deck } = app
  pictures.ofDeck(`${deck.driver} ${deck.title} ${deck.count}`)
  if (!deck.pictures || deck.slide === null) return
  const around = [deck.slide, deck.slide + 1, deck.slide - 1]
  pictures.want(
    around.filter((slide) => slide >= 1 && slide <= (deck.count ?? Infinity)),
    pictureWidth(),
  )
}

function happened(event: AppEvent): void {
  app = reduce(app, event)
  if (event.type === 'receipt') vibrate(event.receipt.status)
  if (event.type === 'session') pictures.forgetRequests()
  if (event.type === 'picture') pictures.arrived(event.id, event.data)
  if (event.type === 'message' && event.message.type === 'no_picture') pictures.noPicture(Number(event.message['id']))
  if (event.type === 'message' && event.message.type === 'state') wantPictures()
  render()
}

function submit(intent: Intent): void {
  if (!mayClick(app)) return
  connection?.submit(intent) // first of all: it is on its way before anything is drawn
  app = reduce(app, { type: 'tapped' })
  setTimeout(render, WAITING_SHOWN_AFTER)
}

function goToDialog(): void {
  const dialog = find<HTMLDialogElement>('goto-dialog')
  const input = find<HTMLInputElement>('goto-slide')
  find('goto').addEventListener('click', () => {
    input.value = ''
    input.max = String(app.deck.count ?? 65535)
    dialog.showModal()
  })
  find('goto-cancel').addEventListener('click', () => dialog.close())
  dialog.addEventListener('submit', () => submit({ verb: 'goto', argument: input.valueAsNumber }))
}

function tick(): void {
  const clock = connection?.hostClock() ?? null
  setText(find('elapsed'), elapsed(app.started === null || clock === null ? null : (clock - app.started) | 0))
  wantPictures()
}

const entrance = enter()
if ('trouble' in entrance) {
  happened({ type: 'trouble', code: entrance.trouble, message: '', final: true })
} else {
  connection = new Connection(entrance.link, identity('phone'), socketUrl(), happened)
  void connection.start()
  listenToKeys((intent) => {
    if (intent.verb !== 'white' || can(app, 'white')) submit(intent)
  })
  goToDialog()
  find('compare').addEventListener('click', () => {
    // Asked for by few, and never in a hurry: not part of what every phone downloads.
    void import('./compare.ts').then((compare) => compare.show(connection?.handshakeHash))
  })
  find('black').addEventListener('click', () => submit({ verb: 'black', argument: 0 }))
  find('start').addEventListener('click', () => submit({ verb: 'start', argument: 0 }))
  laserPad(find('pad'), find('dot'), pictureRatio, (points) => mayPoint(app) && connection?.point(points))
  keepScreenOn()
  setInterval(tick, 1000)
  globalThis.addEventListener('resize', wantPictures)
}
