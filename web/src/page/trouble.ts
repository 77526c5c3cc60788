/* Why somebody cannot get in, in words that say what to do. The codes are those of protocol/signaling.md, and a few of
 * the page's own. What is not here is said in the server's or the host's own sentence. */

export interface Trouble {
  code: string
  message: string
  final: boolean
}

const AGAIN = 'Ask whoever runs the show for a new link.'

const WORDS: { [code: string]: [title: string, advice: string] } = {
  insecure: [
    'This page needs a secure connection',
    'Open the link with https://, exactly as it was given to you. Browsers allow encryption only on secure pages.',
  ],
  browser_old: [
    'This browser is too old',
    'It cannot do the encryption this page needs. Update it, or open the link in a current Chrome, Firefox, Edge or Safari.',
  ],
  link_incomplete: [
    'The link is not complete',
    'The part after # is missing or cut off. Open the whole link again: scan the QR code, or copy all of it.',
  ],
  link_unknown: [
    'No host knows this link yet',
    'The computer with the slides may not be connected yet, or the link was mistyped. This page keeps trying.',
  ],
  link_wrong: [
    'The link was cut off or changed',
    'Its secret does not fit. Open the whole link again: scan the QR code, or copy all of it.',
  ],
  link_revoked: ['This link was withdrawn', AGAIN],
  link_expired: ['This link has expired', AGAIN],
  room_ended: ['The show has ended', 'There is nothing left to control with this link.'],
  removed: ['You were removed from the show', AGAIN],
  replaced: ['The show is open in another window', 'Go on there, or reload this page to take over here.'],
}

export function troubleWords({ code, message }: Trouble): [title: string, advice: string] {
  return WORDS[code] ?? ['This does not work now', message || AGAIN]
}
