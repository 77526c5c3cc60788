/* The app on the page: each piece of it to its element. Nothing is decided here. */

import { find, setAttribute, setText } from '../page/dom.ts'
import { showTrouble } from '../page/error.ts'
import { draw, type Pictures } from '../page/pictures.ts'
import { type App, can, mayClick, mayPoint } from './app.ts'
import type { TapButton } from './buttons.ts'
import { buildWords, notice, receiptWords, slideNumber, standingWords } from './words.ts'

interface Controls {
  next: TapButton
  previous: TapButton
}

const page = {
  connection: find('connection'),
  pad: find('pad'),
  picture: find<HTMLCanvasElement>('picture'),
  noPicture: find('no-picture'),
  start: find<HTMLButtonElement>('start'),
  number: find('number'),
  build: find('build'),
  title: find('title'),
  nextPicture: find<HTMLCanvasElement>('next-picture'),
  nextTitle: find('next-title'),
  notes: find('notes'),
  notice: find('notice'),
  receipt: find('receipt'),
  receiptText: find('receipt-text'),
  receiptDetail: find('receipt-detail'),
  black: find<HTMLButtonElement>('black'),
  goTo: find<HTMLButtonElement>('goto'),
}

let notesOf: string | null = null

function showNotes(app: App): void {
  const { notes, slide } = app.deck
  setText(page.notes, notes || (app.known ? 'No notes for this slide.' : ''))
  page.notes.classList.toggle('none', !notes)
  const of = `${slide} ${notes}`
  if (of !== notesOf) page.notes.scrollTop = 0
  notesOf = of
}

function showPictures(app: App, pictures: Pictures): void {
  const { slide, count, pictures: has } = app.deck
  const running = app.deck.status === 'running'
  const current = has ? pictures.get(slide) : undefined
  // Until the new picture is here the old one would be a lie about what the audience sees: dim it.
  draw(page.picture, current, !has || slide === null)
  page.pad.classList.toggle('waiting', has && running && !current)
  setText(page.noPicture, current || !app.known ? '' : has && running ? '' : app.deck.slide_title ?? app.deck.title ?? '')
  const following = slide === null || (count !== null && slide >= count) ? null : slide + 1
  draw(page.nextPicture, has ? pictures.get(following) : undefined, true)
  setText(page.nextTitle, following === null ? (slide === null ? '' : 'Last slide') : app.deck.next_title ? `Next: ${app.deck.next_title}` : 'Next')
}

export function show(app: App, controls: Controls, pictures: Pictures): void {
  setText(page.connection, standingWords(app))
  setAttribute(page.connection, 'data-standing', app.standing)
  setText(page.number, slideNumber(app))
  setText(page.build, buildWords(app))
  setText(page.title, app.deck.slide_title ?? '')
  showNotes(app)
  showPictures(app, pictures)

  const { tone, text, detail } = receiptWords(app.receipt)
  setText(page.receiptText, text)
  setText(page.receiptDetail, detail)
  setAttribute(page.receipt, 'data-tone', tone)
  page.receipt.classList.toggle('pending', app.pending > 0)
  setText(page.notice, notice(app))

  const clicks = mayClick(app)
  controls.next.setEnabled(clicks)
  controls.previous.setEnabled(clicks)
  page.pad.classList.toggle('points', mayPoint(app))
  page.black.disabled = !clicks || !can(app, 'black')
  setAttribute(page.black, 'aria-pressed', String(app.deck.blank === 'black'))
  page.goTo.disabled = !clicks || !can(app, 'goto')
  page.start.hidden = !clicks || app.deck.status !== 'no_show' || !can(app, 'start')
  showTrouble(app.trouble)
}

/** What the laser pad shows is as wide to its height as this. */
export const pictureRatio = (): number => page.picture.width / page.picture.height

/** How many device pixels a full picture is worth, in steps, so that turning the phone asks for nothing new. */
export function pictureWidth(): number {
  const width = page.pad.clientWidth * Math.min(devicePixelRatio, 2)
  return Math.min(1600, Math.max(320, Math.ceil(width / 320) * 320))
}
