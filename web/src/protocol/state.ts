/* The host's state as a presenter holds it (control.md §8): whole, and kept by messages that say what changed. */

import type { StateMessage } from './messages.ts'

/** The whole state after this message; null: it tells what changed since a version that is not held. */
export function apply(held: StateMessage | null, message: StateMessage): StateMessage | null {
  if (!message.since) return message
  if (held?.version !== message.since) return null
  const before: { [part: string]: unknown } = { ...held }
  const parts = Object.entries(message).map(([name, value]) => {
    const is = before[name]
    return [name, value instanceof Object && !Array.isArray(value) && is instanceof Object ? { ...is, ...value } : value]
  })
  return { ...held, ...(Object.fromEntries(parts) as StateMessage) }
}
