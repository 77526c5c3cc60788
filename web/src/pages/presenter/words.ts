/* The page's texts: what is the case, and what to do about it, for a speaker who has no time to read. */

import type { Receipt } from '../../protocol/presenter_session.ts'
import type { Reason } from '../../protocol/records.ts'
import { type App, type Blank, mayClick, mayPoint } from './app.ts'

export type Tone = 'good' | 'step' | 'bad' | 'unsure' | 'idle'

const REASON: { [reason in Reason]: string } = {
  none: '',
  muted: 'muted by the operator',
  role: 'this link may not do that',
  range: 'there is no such slide for you',
  no_show: 'no slide show is running',
  no_deck: 'no slides are open',
  focus: 'another window is in front',
  unsupported: 'these slides cannot do that',
  at_end: 'this is the last slide',
  at_start: 'this is the first slide',
  deck_error: 'the slides did not answer',
  late: 'it came too late',
  revoked: 'this link was withdrawn',
  unseen: '',
  not_admitted: 'not let in yet',
  slide_unknown: 'the slide is not known',
  rate: 'too many taps – wait a second',
  grabbed: 'the screen is locked, or a menu is open',
  modifier: 'Ctrl, Shift, Alt or Super is held down',
}

/** `blank` is what the screen was when it was tapped: then the tap brought the slide back. */
function performed({ intent, from, to, reason }: Receipt, blank: Blank): { tone: Tone; text: string } {
  const moves = !['black', 'white', 'start', 'stop'].includes(intent.verb)
  if (blank && (blank === intent.verb || (moves && from === to))) return { tone: 'good', text: 'Slide shown again' }
  if (!moves) return { tone: 'good', text: `${intent.verb}: done`.replace(/^./, (first) => first.toUpperCase()) }
  if (to === null) return { tone: 'good', text: reason === 'unseen' ? 'Key sent' : 'Done' }
  if (from === to) return { tone: 'step', text: `Step on ${to}` }
  return { tone: 'good', text: from === null ? `→ ${to}` : `${from} → ${to}` }
}

/** What became of the last tap: a few large words, and a small line below. */
export function receiptWords(receipt: Receipt | null, blank: Blank = null): { tone: Tone; text: string; detail: string } {
  if (!receipt) return { tone: 'idle', text: '', detail: '' }
  const why = REASON[receipt.reason]
  switch (receipt.status) {
    case 'performed':
      return { ...performed(receipt, blank), detail: `${Math.round(receipt.ms)} ms` }
    case 'refused':
      return { tone: 'bad', text: 'Refused', detail: why || 'the host said no' }
    case 'expired':
      return { tone: 'bad', text: 'Not sent in time', detail: 'nothing moved – tap again' }
    case 'failed':
      return { tone: 'bad', text: 'It failed', detail: why || 'look at the slide' }
    case 'duplicate':
      return { tone: 'step', text: 'Already done', detail: 'this tap had arrived before' }
    case 'unknown':
      return { tone: 'unsure', text: 'Unknown', detail: 'look at the slide before you tap again' }
    default:
      return { tone: 'idle', text: '', detail: '' }
  }
}

/** The one thing, if any, that explains why the page does not do what is expected. */
export function notice(app: App): string {
  if (!app.admitted) return 'Waiting for the operator to let you in'
  if (app.muted) return 'Muted by the operator'
  if (!mayPoint(app)) return 'This link can watch, not control'
  if (!mayClick(app)) return 'This link can point, not change slides'
  if (!app.known) return ''
  if (app.deck.status === 'no_deck') return 'No slides are open on the host'
  if (app.deck.status === 'no_show') return 'The slide show is not running'
  if (app.deck.blank) return `The screen is ${app.deck.blank}`
  if (app.laserRefused !== 'none') return `Laser: ${REASON[app.laserRefused]}`
  return app.first || app.last ? `Your slides: ${app.first ?? 1}–${app.last ?? 'end'}` : ''
}

export function slideNumber({ deck }: App): string {
  if (deck.slide === null) return deck.count === null ? '–' : `– / ${deck.count}`
  const label = deck.slide_label ? ` (${deck.slide_label})` : ''
  return (deck.count === null ? `${deck.slide}` : `${deck.slide} / ${deck.count}`) + label
}
