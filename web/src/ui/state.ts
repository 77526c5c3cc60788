/* The host's `state` message (control.md §7), read with care: a host may be of a later version. */

import { type Role, ROLES } from '../protocol/handshake.ts'
import type { Message } from '../protocol/sealed_session.ts'

export interface Deck {
  status: 'running' | 'no_show' | 'no_deck'
  slide: number | null
  count: number | null
  can: string[]
  pictures: boolean
  driver?: string
  title?: string
  build?: { position: number; count: number } | null
  blank?: 'black' | 'white' | null
  notes?: string | null
  slide_title?: string | null
  next_title?: string | null
  /** False: the host cannot make a picture of this slide. */
  drawable?: boolean
}

export interface You {
  role: Role
  muted: boolean
  name: string
  /** The operator has let us in, or need not. */
  admitted: boolean
  /** The slides that are ours to show; `null`: no limit on that side. */
  first?: number | null
  last?: number | null
}

export interface MediaState {
  /** The screen is shared now. */
  screen: boolean
  /** Whether this link may send them. */
  camera: boolean
  microphone: boolean
  /** We are; on operators' and program pages: anybody is. */
  on_air: boolean
  /** What we send is, or for operators anything. */
  recording: boolean
}

export interface State {
  deck: Deck
  you: You
  /** Empty where the host knows nothing of media. */
  media: Partial<MediaState>
  /** When the show started, on the host's session clock. */
  started: number | null
  laser: { x: number; y: number } | null
}

export const NO_DECK: Deck = { status: 'no_deck', slide: null, count: null, can: [], pictures: false }

export const NOBODY: You = { role: 'view', muted: false, name: '', admitted: true }

export function readState(message: Message): State {
  const { deck, you, started, laser, media } = message as Partial<State>
  const role = you?.role
  return {
    deck: { ...NO_DECK, ...deck },
    you: { ...NOBODY, ...you, role: role && ROLES.includes(role) ? role : 'view' },
    started: typeof started === 'number' ? started : null,
    laser: laser ?? null,
    media: media ?? {},
  }
}
