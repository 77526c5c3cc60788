/* The host's `state` message (control.md §7), read with care: a host may be of a later version. */

import { ROLES } from '../protocol/handshake.ts'
import type { DeckPart, MediaPart, State, StateMessage, YouPart } from '../protocol/messages.ts'

// prettier-ignore
export const NO_DECK: DeckPart = { status: 'no_deck', driver: '', title: '', slide: null, count: null, build: null, blank: null,
  can: [], pictures: false, notes: null, slide_title: null, next_title: null, slide_label: null, edition: 0, has_newer: false, drawable: true }

export const NO_PRESENTER: YouPart = { role: 'view', muted: false, name: '', admitted: true, first: null, last: null, expires: null }

export const NO_MEDIA: MediaPart = { screen: false, camera: false, microphone: false, on_air: false, recording: false }

/** What an earlier version does not say, or a later one says otherwise, has a value as well. */
export function readState({ deck, you, started, laser, media }: StateMessage): State {
  const role = you?.role
  return {
    deck: { ...NO_DECK, ...deck },
    you: { ...NO_PRESENTER, ...you, role: role && ROLES.includes(role) ? role : 'view' },
    started: typeof started === 'number' ? started : null,
    laser: laser ?? null,
    media: { ...NO_MEDIA, ...media },
  }
}
