/* The operator's page: who is here, by what way, and the links that let people in. It shows what the host says and asks
 * the host for everything; nothing is done here. */

import { PresenterConnection, type ConnectionEvent } from '../../transport/connection.ts'
import { find, setAttribute, setText } from '../../ui/dom.ts'
import { button, confirm, element, list } from '../../ui/elements.ts'
import { enter, identity, socketUrl } from '../../ui/enter.ts'
import { showError } from '../../ui/error_page.ts'
import { connectionText } from '../../ui/connection_state.ts'
import type { Role } from '../../protocol/handshake.ts'
import type { Intent } from '../../protocol/records.ts'
import type { CommandRequest, LinkEntry, PlacesEntry, PresenterEntry, Reply, State } from '../../protocol/messages.ts'
import { listenToKeys } from '../../ui/slide_keys.ts'
import { readState } from '../../ui/state.ts'
import { keepScreenOn } from '../../ui/wake_lock.ts'
import { receiptWords } from '../presenter/words.ts'
import { Air } from './air.ts'
import { qrCode } from './qr.ts'
import { answers, expiryWords, lastWords, originWords, pathWords, placesWords, readRoom, rejectedRows, roleWords, type Room, rulesWords, secondsUntil, sentWords } from './room.ts'

const DECK = { running: 'The show is running', no_show: 'The show is not running', no_deck: 'No slides are open' }

let connection: PresenterConnection | null = null
let air: Air | null = null
let known = false
let blankWhenTapped: 'black' | 'white' | null = null
let letScreenSleep = (): void => undefined
let nextCommand = 1
/** What was asked for, so that the answer can be put in words. */
const asked = new Map<number, string>()

let saidTimer: ReturnType<typeof setTimeout> | undefined

/** One line at the foot of the page, for as long as it takes to read it. */
function say(words: string): void {
  setText(find('said'), words)
  clearTimeout(saidTimer)
  saidTimer = setTimeout(() => setText(find('said'), ''), 8000)
}

function command(request: CommandRequest, words: string): void {
  const id = nextCommand++
  const sent = connection?.send({ type: 'command', id, ...request }) ?? false
  if (sent) asked.set(id, words)
  say(sent ? '' : 'Not connected to the host: nothing was done.')
}

const nameOf = (row: PresenterEntry & { label: string }): string => {
  const device = row.name || row.kind || 'Somebody'
  return row.label ? `${row.label} (${device})` : device
}

function presenterRow(row: PresenterEntry & { label: string }): Node[] {
  const name = nameOf(row)
  const onAir = row.on_air
    ? [button('Take off air', 'off-air', () => command({ name: 'on_air', session: null }, `${name} is off air.`))]
    : row.camera || row.microphone
      ? [button('Put on air', 'put-on-air', () => command({ name: 'on_air', session: row.session }, `${name} is on air.`))]
      : []
  const mute = button(row.muted ? 'Let click' : 'Mute', 'mute', () => {
    command({ name: 'mute', session: row.session, muted: !row.muted }, row.muted ? `${name} may click.` : `${name} is muted.`)
  })
  mute.setAttribute('aria-pressed', String(row.muted))
  const admit = button('Let in', 'admit', () => command({ name: 'admit', session: row.session }, `${name} is in.`))
  const remove = button('Remove…', 'danger remove', () => {
    void confirm(`Remove ${name}? The link stays good; withdraw it to keep it out.`, 'Remove').then((yes) => {
      if (yes) command({ name: 'remove', session: row.session }, `${name} was removed.`)
    })
  })
  const itself = row.session === connection?.core.session?.session
  const doing = row.admitted ? (row.muted ? [element('span', 'bad', 'Muted'), mute] : [mute]) : [element('span', 'bad', 'Waiting'), admit]
  return [
    element('div', 'what', element('strong', '', name), element('span', 'quiet', `${row.kind} · ${roleWords(row.role)}`), element('span', 'words', row.words ?? '')),
    element('div', 'how', element('span', answers(row) ? 'good' : 'bad', pathWords(row)), element('span', 'quiet', lastWords(row)), element('span', row.on_air ? 'on-air' : 'good', sentWords(row))),
    element('div', 'do', ...(itself ? [element('span', 'quiet', 'this is you')] : [...onAir, ...doing, remove])),
  ]
}

/** Operators' links that are shown: a photograph of one gives control of the show. */
const shownLinks = new Set<string>()

function linkRow(row: LinkEntry & { hidden: boolean }): Node[] {
  const usable = !row.revoked && !row.expired && (row.expires === null || row.expires * 1000 > Date.now())
  const copy = button('Copy', 'copy', () => {
    const copied = navigator.clipboard?.writeText(row.url) ?? Promise.reject(new Error('No clipboard.'))
    copied.then(
      () => say(`The link for ${row.label} is on the clipboard.`),
      () => say('This browser does not let the page copy: select the link by hand.'),
    )
  })
  const revoke = button('Withdraw…', 'danger revoke', () => {
    void confirm(`Withdraw the link for ${row.label}? Whoever came by it is disconnected.`, 'Withdraw').then((yes) => {
      if (yes) command({ name: 'revoke_link', link: row.id }, `The link for ${row.label} is withdrawn.`)
    })
  })
  const free = button('Free…', 'free', () => {
    void confirm(`Free the link for ${row.label}? The device that has it is disconnected, and the next one to open it has it.`, 'Free').then((yes) => {
      if (yes) command({ name: 'free_link', link: row.id }, `The link for ${row.label} is free.`)
    })
  })
  const address = element('input', 'address') as HTMLInputElement
  address.readOnly = true
  address.value = row.url
  address.setAttribute('aria-label', `Link for ${row.label}`)
  address.addEventListener('focus', () => address.select())
  const visible = usable && !row.hidden
  const reveal = button(visible ? 'Hide' : 'Show', 'reveal', () => {
    if (!shownLinks.delete(row.id)) shownLinks.add(row.id)
    if (latest) show(...latest)
  })
  reveal.setAttribute('aria-expanded', String(visible))
  reveal.setAttribute('aria-label', `${visible ? 'Hide' : 'Show'} the link for ${row.label}`)
  const qr = visible ? qrCode(row.url, `QR code of the link for ${row.label}`) : null
  const words = element('span', usable ? 'quiet' : 'bad', [roleWords(row.role), ...rulesWords(row), expiryWords(row, Date.now())].join(' · '))
  return [
    element('div', 'qr', ...(qr ? [qr] : [])),
    element('div', 'what', element('strong', '', row.label || 'Link'), words, ...(visible ? [address] : [])),
    element('div', 'do', ...(usable ? [...(row.role === 'operator' ? [reveal] : []), copy, ...(row.in_use ? [free] : []), revoke] : [])),
  ]
}

function placesRow(row: PlacesEntry & { label: string }): Node[] {
  const away = (who: string, words: string, fields: { origin?: number }): HTMLElement => {
    const made = button('Send away…', `danger send-away${fields.origin === undefined ? '' : ` at-${fields.origin}`}`, () => {
      void confirm(`Send away ${who} by the link for ${row.label}? They can come back by it; withdraw it to keep them out.`, 'Send away').then((yes) => {
        if (yes) command({ name: 'send_away', link: row.link, ...fields }, words)
      })
    })
    made.setAttribute('aria-label', `Send away ${who} by the link for ${row.label}`)
    return made
  }
  const origins = row.origins.map(({ origin, count }) => {
    const words = originWords({ count })
    return element('li', '', element('span', 'quiet', words), away(`the ${words}`, `The ${words} were sent away.`, { origin }))
  })
  return [
    element('div', 'what', element('strong', '', row.label), element('span', row.count > row.proven ? 'bad' : 'quiet', placesWords(row).join(' · '))),
    element('div', 'do', away('everybody who came', `Whoever came by the link for ${row.label} was sent away.`, {})),
    ...(origins.length ? [element('ul', 'origins', ...origins)] : []),
  ]
}

let latest: [State, Room | null] | null = null
let names = new Map<number, string>()

function show(state: State, room: Room | null): void {
  const { deck } = state
  latest = [state, room]
  const label = deck.slide_label ? ` (${deck.slide_label})` : ''
  setText(find('slide'), deck.slide === null ? '–' : `${deck.slide} / ${deck.count ?? '?'}${label}`)
  setText(find('deck-title'), [deck.title, deck.slide_title].filter(Boolean).join(' · '))
  const running = deck.has_newer ? 'The file has changed: Start (F5) shows what is in it now' : DECK[deck.status]
  setText(find('deck-status'), deck.blank ? `The screen is ${deck.blank}` : deck.drawable === false ? 'This slide cannot be drawn' : running)
  if (!room) return
  setText(find('room'), room.code ?? '')
  list(
    find('hosts'),
    room.hosts,
    (host) => host.member ?? host.name ?? '',
    (host) => [element('strong', '', host.name || 'Host'), element('span', host.away ? 'bad' : 'good', host.away ? 'away' : 'here')],
  )
  const labels = new Map(room.links.map((link) => [link.id, link.label]))
  const presenters = room.presenters.map((row) => ({ ...row, label: labels.get(row.link) ?? '' }))
  list(find('presenters'), presenters, (row) => String(row.session), presenterRow)
  names = new Map(presenters.map((row) => [row.session, nameOf(row)]))
  air?.show(room)
  find('nobody').hidden = room.presenters.length > 0
  const places = (room.places ?? []).map((row) => Object.assign({ label: labels.get(row.link) || 'Link' }, row))
  find('places-section').hidden = places.length === 0
  list(find('places'), places, (row) => row.link, placesRow)
  const links = room.links.map((row) => ({ ...row, hidden: row.role === 'operator' && !shownLinks.has(row.id) }))
  list(find('links'), links, (row) => row.id, linkRow)
  const rejected = rejectedRows(room.rejected)
  find('rejected-section').hidden = rejected.length === 0
  list(
    find('rejected'),
    rejected,
    ({ words }) => words,
    ({ words, count, serious }) => [element('span', serious ? 'bad' : 'quiet', `${count} × ${words}`)],
  )
}

function replied({ id, ok, error }: Reply): void {
  const words = asked.get(id) ?? ''
  asked.delete(id)
  say(!ok || error ? `Not done: ${error?.message ?? 'the host refused.'}` : words)
}

function happened(event: ConnectionEvent): void {
  air?.happened(event)
  switch (event.type) {
    case 'connection_state':
      setText(find('connection'), connectionText(event.state, event.roundTrip))
      setAttribute(find('connection'), 'data-connection-state', event.state)
      break
    case 'session':
    case 'joined':
      showError(null)
      break
    case 'message':
      if (event.message.type === 'reply') replied(event.message)
      if (event.message.type === 'error') say(event.message.message)
      if (event.message.type === 'state') {
        known = true
        show(readState(event.message), readRoom(event.message))
      }
      break
    case 'notice':
      say(`The server's operator: ${event.text}`)
      break
    case 'receipt': {
      const { text, detail } = receiptWords(event.receipt, blankWhenTapped)
      say([text, detail].filter(Boolean).join(' · '))
      break
    }
    case 'error':
      if (event.final) letScreenSleep()
      if (event.final || !known) showError(event)
      break
    default: // an operator's page has no laser
  }
}

/** A clicker or the keyboard of the computer that this page is open on. */
function tap(intent: Intent): void {
  blankWhenTapped = latest?.[0].deck.blank ?? null
  connection?.submit(intent)
}

const value = (id: string): string => find<HTMLInputElement | HTMLSelectElement>(id).value
const number = (id: string): number | null => Number(value(id)) || null
const checked = (id: string): boolean => find<HTMLInputElement>(id).checked

const entrance = enter()
if ('error' in entrance) {
  showError({ code: entrance.error, message: '', final: true })
} else {
  connection = new PresenterConnection(entrance.link, identity('operator'), socketUrl(), happened)
  air = new Air(connection, command, (session) => names.get(session) ?? 'Somebody')
  void connection.start()
  letScreenSleep = keepScreenOn()
  listenToKeys(tap)
  const form = find<HTMLFormElement>('make')
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const label = find<HTMLInputElement>('make-label').value.trim()
    const opens = secondsUntil(value('make-from'), new Date())
    const lasts = number('make-expires')
    command({
      name: 'make_link',
      label,
      role: value('make-role') as Role,
      first: number('make-first'),
      last: number('make-last'),
      opens_in: opens,
      expires_in: lasts && lasts + (opens ?? 0),
      one_device: checked('make-one-device'),
      by_hand: checked('make-by-hand'),
    }, `The link for ${label} is ready.`)
    form.reset()
  })
  find('end-show').addEventListener('click', () => {
    void confirm('End the show? Every link stops working and everybody is disconnected.', 'End the show').then((yes) => {
      if (yes) command({ name: 'end_show' }, 'The show is over.')
    })
  })
}
