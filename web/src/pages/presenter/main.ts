/* The presenter page: where its parts are put together. What is imported here is what the first tap needs. */

import { PresenterConnection } from '../../transport/connection.ts'
import type { Intent } from '../../protocol/records.ts'
import { find } from '../../ui/dom.ts'
import { listenToKeys } from '../../ui/slide_keys.ts'
import { enter, identity, relaysOnly, socketUrl } from '../../ui/enter.ts'
import { type AppEvent, BEGINNING, can, mayClick, reduce } from './app.ts'
import { tapButton } from './buttons.ts'
import { vibrate } from './haptics.ts'
import type { Rest } from './deferred.ts'
import { show } from './view.ts'

/** Milliseconds before the page says that it waits for a receipt. Mostly one comes first, and is drawn without delay. */
const WAITING_SHOWN_AFTER = 150
/** Milliseconds before the rest of the page is asked for again, if the server could not be asked. */
const LOAD_AGAIN = 3000

declare global {
  /** The build puts it behind the address of every module that is imported later. */
  var importQuery: string
}

let app = BEGINNING
let connection: PresenterConnection | null = null
let module: typeof import('./deferred.ts') | null = null
let rest: Rest | null = null
let loading = 0

const controls = {
  next: tapButton(find<HTMLButtonElement>('next'), () => submit({ verb: 'next', argument: 0 })),
  previous: tapButton(find<HTMLButtonElement>('previous'), () => submit({ verb: 'previous', argument: 0 })),
}

function render(): void {
  show(app, controls)
  rest?.show(app)
  module?.showError(app.error)
}

function happened(event: AppEvent): void {
  app = reduce(app, event)
  if (event.type === 'receipt') vibrate(event.receipt.status)
  // The first tap goes first; where there can be none, the words that say why not.
  if ((event.type === 'session' || event.type === 'error') && !loading) setTimeout(load)
  if (event.type !== 'tapped') rest?.happened(event, app)
  render()
}

async function load(): Promise<void> {
  // Browsers remember that a module could not be loaded, and by which address: every attempt has one of its own.
  globalThis.importQuery = loading++ ? `?${loading}` : ''
  try {
    module = await import('./deferred.ts')
    rest = connection && new module.Rest(connection, app, submit)
    render()
  } catch {
    setTimeout(load, LOAD_AGAIN)
  }
}

function submit(intent: Intent): void {
  if (!mayClick(app)) return
  connection?.submit(intent) // first of all: it is on its way before anything is drawn
  app = reduce(app, { type: 'tapped' })
  setTimeout(render, WAITING_SHOWN_AFTER)
}

const entrance = enter()
if ('error' in entrance) {
  happened({ type: 'error', code: entrance.error, message: '', final: true })
} else {
  connection = new PresenterConnection(entrance.link, identity('phone'), socketUrl(), happened)
  connection.core.relaysOnly = relaysOnly()
  void connection.start()
  listenToKeys((intent) => {
    if (intent.verb !== 'white' || can(app, 'white')) submit(intent)
  })
}
