/* What a tap needs of the app on the page: each piece of it to its element. Nothing is decided here. */

import { find, setAttribute, setText } from '../../ui/dom.ts'
import { connectionText } from '../../ui/connection_state.ts'
import { type App, mayClick } from './app.ts'
import type { TapButton } from './buttons.ts'
import { notice, receiptWords, slideNumber } from './words.ts'

interface Controls {
  next: TapButton
  previous: TapButton
}

const page = {
  connection: find('connection'),
  number: find('number'),
  notice: find('notice'),
  receipt: find('receipt'),
  receiptText: find('receipt-text'),
  receiptDetail: find('receipt-detail'),
}

export function show(app: App, controls: Controls): void {
  setText(page.connection, connectionText(app.connectionState, app.roundTrip))
  setAttribute(page.connection, 'data-connection-state', app.connectionState)
  setText(page.number, slideNumber(app))

  const { tone, text, detail } = receiptWords(app.receipt, app.blankBefore)
  setText(page.receiptText, text)
  setText(page.receiptDetail, detail)
  setAttribute(page.receipt, 'data-tone', tone)
  page.receipt.classList.toggle('pending', app.pending > 0)
  setText(page.notice, notice(app))

  const clicks = mayClick(app)
  controls.next.setEnabled(clicks)
  controls.previous.setEnabled(clicks)
}
