/* What is behind the shield: the words to compare, and whether this end's address is hidden from the other. */

import type { PresenterConnection, ConnectionState } from '../../transport/connection.ts'
import { find, setText } from '../../ui/dom.ts'
import { relaysOnly } from '../../ui/enter.ts'
import type { App } from './app.ts'
import { wordsOf } from './compare.ts'

/** Milliseconds that a relay may take before the page says that there is none. */
const PATIENCE = 5000

export interface Hiding {
  /** The room asks for it. */
  byRoom: boolean
  /** This end does. */
  byUs: boolean
  connectionState: ConnectionState
  /** It was asked for a moment ago. */
  isYoung: boolean
}

/** What holds now. */
export function hidingWords({ byRoom, byUs, connectionState, isYoung }: Hiding): string {
  if (!byRoom && !byUs) {
    return connectionState === 'direct'
      ? 'Connected directly: the host sees your address.'
      : 'Not hidden: the host is told your address, to connect directly.'
  }
  const asked = byRoom ? 'The room asks for it: it cannot be turned off. ' : ''
  switch (connectionState) {
    case 'direct':
      return `${asked}Changing over…`
    case 'relayed':
      return `${asked}Through a relay: nobody at the other end sees your address.`
    case 'signaling':
      return asked + (isYoung ? 'Looking for a relay; meanwhile clicks go through the server.' : 'No relay answers: clicks go through the server, and nobody at the other end sees your address.')
    default:
      return `${asked}Not connected now.`
  }
}

/** Of the words of a policy that this version knows, two do not hide; what a later one may say is taken for the strictest. */
const hides = (privacy: unknown): boolean => ![undefined, null, 'open', 'balanced'].includes(privacy as string | undefined | null)

export class Shield {
  readonly #dialog = find<HTMLDialogElement>('compare-dialog')
  readonly #switch = find<HTMLInputElement>('relays-only')
  #since = -Infinity

  constructor(private readonly connection: PresenterConnection) {
    this.#switch.addEventListener('change', () => {
      const { checked } = this.#switch
      relaysOnly(checked)
      this.#since = connection.now()
      connection.setRelaysOnly(checked)
    })
  }

  async open(app: App): Promise<void> {
    setText(find('compare-words'), await wordsOf(this.connection.core))
    this.show(app)
    this.#dialog.showModal()
  }

  show({ connectionState }: App): void {
    const byRoom = hides(this.connection.core.welcome?.privacy)
    const byUs = this.connection.core.relaysOnly
    this.#switch.checked = byRoom || byUs
    this.#switch.disabled = byRoom
    const isYoung = this.connection.now() - this.#since < PATIENCE
    setText(find('relays-words'), hidingWords({ byRoom, byUs, connectionState, isYoung }))
  }
}
