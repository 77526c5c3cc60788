/* Why a camera or a microphone cannot be had, and what to do about it, in words for a speaker who is about to begin. */

export type Kind = 'camera' | 'microphone'

export type RefusalCode =
  | 'unsupported'
  | 'insecure'
  | 'policy'
  | 'denied'
  | 'denied_by_system'
  | 'dismissed'
  | 'missing'
  | 'busy'
  | 'not_there'
  | 'unplugged'
  | 'withdrawn'
  | 'failed'

export interface Refusal {
  code: RefusalCode
  title: string
  advice: string
}

/** What the browser says beside the error itself. */
export interface Circumstances {
  /** Null: it does not say. */
  permission: PermissionState | null
  /** False: the server that sent this page forbids it. */
  allowedByPolicy: boolean
  userAgent: string
}

const settingsOf = (kind: Kind, userAgent: string): string => {
  const name = kind === 'camera' ? 'Camera' : 'Microphone'
  if (/iPhone|iPad/.test(userAgent)) return `In Settings, open Apps, your browser, and switch ${name} on.`
  if (/Android/.test(userAgent)) return `In the phone's settings, open Apps, your browser, Permissions, and allow the ${kind}.`
  if (/Mac OS/.test(userAgent)) return `In System Settings, open Privacy & Security, ${name}, and switch your browser on. Then start the browser again.`
  if (/Windows/.test(userAgent)) return `In Settings, open Privacy & security, ${name}, and let desktop apps use it.`
  return `Allow this browser to use the ${kind} in the system's privacy settings.`
}

const besideTheAddress = (kind: Kind, userAgent: string): string => {
  const tap = /Android|iPhone|iPad/.test(userAgent) ? 'Tap' : 'Click'
  return `${tap} the symbol beside the address, allow the ${kind} for this page, then try again.`
}

export function refusalWords(code: RefusalCode, kind: Kind, userAgent: string): Refusal {
  const words: { [code in RefusalCode]: [title: string, advice: string] } = {
    unsupported: [
      `This browser gives no page a ${kind}`,
      'Open the link in Chrome, Edge, Firefox or Safari itself, not inside another app.',
    ],
    insecure: [
      `Browsers give a ${kind} only to secure pages`,
      'Open the link with https://, exactly as it was given to you.',
    ],
    policy: [
      `This page may not use the ${kind}`,
      'The server forbids it, or a page around this one does. Open the link by itself in a tab; if that does not help, tell the operator of the server.',
    ],
    denied: [`The ${kind} is blocked for this page`, besideTheAddress(kind, userAgent)],
    denied_by_system: [`The system keeps the ${kind} from this browser`, settingsOf(kind, userAgent)],
    dismissed: [
      `Nobody has allowed the ${kind} yet`,
      'Press Try again, and choose Allow when the browser asks.',
    ],
    missing: [
      `No ${kind} was found`,
      kind === 'camera'
        ? 'Plug one in, or open its shutter or switch. It is tried again as soon as one is there.'
        : 'Plug one in, or switch the headset on. It is tried again as soon as one is there.',
    ],
    busy: [
      `The ${kind} is in use, or does not start`,
      `Close what else may have it: a meeting, another tab, a camera app. Then try again; if that does not help, unplug it and plug it in.`,
    ],
    not_there: [`The chosen ${kind} is not there any more`, 'Choose another one from the list.'],
    unplugged: [
      `The ${kind} is gone`,
      'Plug it in again and it goes on by itself, or choose another one from the list.',
    ],
    withdrawn: [`The ${kind} was taken away from this page`, besideTheAddress(kind, userAgent)],
    failed: [`The ${kind} could not be started`, 'Try again, or choose another one from the list.'],
  }
  const [title, advice] = words[code]
  return { code, title, advice }
}

/** Browsers have one name for many reasons; what else they say tells them apart. */
export function refusalCode(error: { name: string; message: string }, around: Circumstances): RefusalCode {
  switch (error.name) {
    case 'NotAllowedError':
    case 'SecurityError':
    case 'PermissionDeniedError':
      if (!around.allowedByPolicy) return 'policy'
      if (/system/i.test(error.message)) return 'denied_by_system'
      if (/dismissed/i.test(error.message) || around.permission === 'prompt') return 'dismissed'
      // The page may have it, and yet it did not get it: so it is not the page that is kept from it.
      return around.permission === 'granted' ? 'denied_by_system' : 'denied'
    case 'NotFoundError':
      return 'missing'
    case 'NotReadableError':
    case 'AbortError':
      return 'busy'
    case 'OverconstrainedError':
      return 'not_there'
    case 'TypeError':
      return 'unsupported'
    default:
      return 'failed'
  }
}
