/* How the connection stands, in words: the same on the presenter's page and on the operator's. */

import type { Standing } from '../transport/connection.ts'

const STANDING: { [standing in Standing]: string } = {
  connecting: 'Connecting…',
  direct: 'Connected directly',
  relayed: 'Connected through a relay',
  signaling: 'Connected through the server',
  reconnecting: 'Reconnecting…',
  host_gone: 'Host is gone – waiting',
}

export function standingWords({ standing, roundTrip }: { standing: Standing; roundTrip: number | null }): string {
  return STANDING[standing] + (roundTrip === null ? '' : ` · ${roundTrip} ms`)
}
