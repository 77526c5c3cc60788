/* Why a page cannot be used, and what to do. The codes are those of protocol/signaling.md, and a few of
 * the page's own. For other codes the page shows the server's or the host's own sentence. */

export interface PageError {
  code: string
  message: string
  final: boolean
}

const OPEN_COMPLETE = 'Open the whole link again: scan the QR code, or copy all of it, also the part after #.'
const ASK_FOR_NEW = 'Ask the operator of the show for a new link.'

const TEXTS: { [code: string]: [title: string, advice: string] } = {
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
    OPEN_COMPLETE,
  ],
  link_unknown: [
    'No host knows this link yet',
    'The computer with the slides may not be connected yet, and this page keeps trying. If it takes long, ask for a new link.',
  ],
  link_wrong: [
    'The link was cut off or changed',
    OPEN_COMPLETE,
  ],
  link_revoked: ['This link was withdrawn', ASK_FOR_NEW],
  link_expired: ['This link has expired', ASK_FOR_NEW],
  room_ended: ['The show has ended', 'There is nothing left to control with this link.'],
  removed: ['You were removed from the show', ASK_FOR_NEW],
}

export function errorText({ code, message }: PageError): [title: string, advice: string] {
  return (Object.hasOwn(TEXTS, code) && TEXTS[code]) || ['This does not work now', message || ASK_FOR_NEW]
}
