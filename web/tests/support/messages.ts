/* Messages in tests: any JSON object, also what no type allows. */

import type { FromHost, FromPresenter, StateMessage } from '../../src/protocol/messages.ts'

export interface Loose {
  type: string
  [field: string]: unknown
}

export const fromHost = (message: Loose): FromHost => message as unknown as FromHost
export const fromPresenter = (message: Loose): FromPresenter => message as unknown as FromPresenter
/** A state with this room. */
export const withRoom = (room?: object): StateMessage => ({ type: 'state', version: 1, ...(room && { room }) })
