/* Why somebody cannot get in, in words that say what to do. The codes are those of protocol/signaling.md, and a few of
 * the page's own. What is not here is said in the server's or the host's own sentence. */

export interface Trouble {
  code: string
  message: string
  final: boolean
}

const WHOLE = 'Open the whole link again: scan the QR code, or copy all of it, also the part after #.'
const AGAIN = 'Ask whoever runs the show for a new link.'

const WORDS: { [code: string]: [title: string, advice: string] } = {
  insecure: [
    'This page needs a secure connection',
    'Open the link with https://, exactly as it was given to you.',
  ],
  browser_old: [
    'This browser is too old',
    'Update it, or open the link in a current Chrome, Firefox, Edge or Safari.',
  ],
  link_incomplete: [
    'The link is not complete',
    WHOLE,
  ],
  link_unknown: [
    'No host knows this link yet',
    'The computer with the slides may not be connected yet, and this page keeps trying. If it takes long, ask for a new link.',
  ],
  link_wrong: [
    'The link was cut off or changed',
    WHOLE,
  ],
  link_revoked: ['This link was withdrawn', AGAIN],
  link_expired: ['This link has expired', AGAIN],
  room_ended: ['The show has ended', 'There is nothing left to control with this link.'],
  removed: ['You were removed from the show', AGAIN],
}

export function troubleWords({ code, message }: Trouble): [title: string, advice: string] {
  return (Object.hasOwn(WORDS, code) && WORDS[code]) || ['This does not work now', message || AGAIN]
}
