/* What the account page says about API keys. */

const MAY: { [scope: string]: string } = {
  'connections.read': 'sees rooms',
  'connections.control': 'removes, closes, tells',
  'turn.credentials': 'uses the relays',
  'rooms.open': 'opens rooms',
  admin: 'makes keys',
}

export const mayWords = (scopes: string[]): string => scopes.map((scope) => MAY[scope] ?? scope).join(', ')

export const fromWords = (addresses: string[]): string =>
  addresses.length > 0 ? `from ${addresses.join(', ')}` : 'from everywhere'

/** `expires` in seconds, `now` in milliseconds. */
export function expiresWords(expires: number, now: number): string {
  const hours = (expires - now / 1000) / 3600
  if (hours <= 0) return 'expired'
  if (hours < 48) return `good for ${Math.ceil(hours)} h`
  return `good for ${Math.round(hours / 24)} days`
}

/** `then` in seconds, `now` in milliseconds. */
export function sinceWords(then: number, now: number): string {
  const minutes = Math.floor(now / 60_000 - then / 60)
  if (minutes < 2) return 'just now'
  if (minutes < 120) return `${minutes} min ago`
  if (minutes < 2880) return `${Math.floor(minutes / 60)} h ago`
  return `${Math.floor(minutes / 1440)} days ago`
}

/** Networks as they are typed: with commas or spaces. */
export const networks = (typed: string): string[] => typed.split(/[\s,;]+/).filter((word) => word !== '')
