/* What the presenter page *is*: one value, and one pure function that says how an event changes it. Nothing here knows
 * a document; `words.ts` says it in words and `view.ts` puts the words on the page. */

import type { ConnectionEvent, ConnectionState } from '../../transport/connection.ts'
import type { Receipt } from '../../protocol/presenter_session.ts'
import type { Reason } from '../../protocol/records.ts'
import type { DeckPart, MediaPart, YouPart } from '../../protocol/messages.ts'
import { NO_DECK, NO_MEDIA, NO_PRESENTER, readState } from '../../ui/state.ts'
import type { PageError } from '../../ui/errors.ts'

export interface App extends YouPart {
  connectionState: ConnectionState
  roundTrip: number | null
  deck: DeckPart
  /** Whether the host has said anything about its deck yet. */
  known: boolean
  started: number | null
  /** Taps that have no receipt yet. */
  pending: number
  receipt: Receipt | null
  /** What the screen was when the last tap was made … */
  blankWhenTapped: Blank
  /** … and when that was made which `receipt` answers. */
  blankBefore: Blank
  /** Why the laser is not shown, if it is not. */
  laserRefused: Reason
  error: PageError | null
  media: MediaPart
}

export type Blank = 'black' | 'white' | null

export type AppEvent = ConnectionEvent | { type: 'tapped' }

export const BEGINNING: App = {
  connectionState: 'connecting',
  roundTrip: null,
  ...NO_PRESENTER,
  role: 'click',
  deck: NO_DECK,
  known: false,
  started: null,
  pending: 0,
  receipt: null,
  blankWhenTapped: null,
  blankBefore: null,
  laserRefused: 'none',
  error: null,
  media: NO_MEDIA,
}

export function reduce(app: App, event: AppEvent): App {
  switch (event.type) {
    case 'connection_state':
      return { ...app, connectionState: event.state, roundTrip: event.roundTrip }
    case 'session':
      return { ...app, role: event.role, error: null }
    case 'joined':
      return { ...app, error: null }
    case 'tapped':
      return { ...app, pending: app.pending + 1, blankWhenTapped: app.deck.blank }
    case 'receipt':
      return { ...app, pending: Math.max(0, app.pending - 1), receipt: event.receipt, blankBefore: app.blankWhenTapped }
    case 'laser_receipt':
      return { ...app, laserRefused: event.status === 'performed' ? 'none' : event.reason }
    case 'message': {
      if (event.message.type !== 'state') return app
      const { deck, you, started, media } = readState(event.message)
      return { ...app, ...you, known: true, deck, started, media }
    }
    case 'error': {
      // While the host is on the line, what the server says about getting in does not matter to a speaker.
      const connected = app.connectionState === 'direct' || app.connectionState === 'relayed' || app.connectionState === 'signaling'
      return connected && !event.final ? app : { ...app, error: event }
    }
    default:
      return app
  }
}

export const mayClick = ({ role, admitted }: App): boolean => admitted && (role === 'click' || role === 'operator')
export const mayPoint = ({ role, admitted }: App): boolean => admitted && role !== 'view'
export const can = ({ deck, known }: App, verb: string): boolean => !known || deck.can.includes(verb)
