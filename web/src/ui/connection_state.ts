/* The state of the connection in words, for the presenter's page and the operator's. */

import type { ConnectionState } from '../transport/connection.ts'

const TEXTS: { [state in ConnectionState]: string } = {
  connecting: 'Connecting…',
  direct: 'Connected directly',
  relayed: 'Connected through a relay',
  signaling: 'Connected through the server',
  reconnecting: 'Reconnecting…',
  host_gone: 'Host is gone – waiting',
}

export function connectionText(state: ConnectionState, roundTrip: number | null): string {
  return TEXTS[state] + (roundTrip === null ? '' : ` · ${roundTrip} ms`)
}
