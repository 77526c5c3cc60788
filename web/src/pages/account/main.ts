/* The page of who runs the server: sign in, see which rooms are open and end what must end, make and revoke API keys.
 * What happens in a room is its host's business, and nothing of it can be seen here. */

import { find, setText } from '../../ui/dom.ts'
import { button, confirm, element, list } from '../../ui/elements.ts'
import { accept, ask, changePassword, confirmed, isOver, type Key, type Member, Refused, type Room, type Session, signIn, signOut } from './api.ts'
import { expiresWords, fromWords, mayWords, networks, sinceWords } from './words.ts'

const LOOK_AGAIN = 4000

let invitation = location.hash.startsWith('#swi_') ? location.hash.slice(1) : ''
let timer: ReturnType<typeof setTimeout> | undefined

const value = (id: string): string => find<HTMLInputElement | HTMLSelectElement>(id).value.trim()

function say(words: string): void {
  setText(find('said'), words)
}

/** Do it, and say what came of it. */
async function attempt(doing: () => Promise<unknown>, words = ''): Promise<void> {
  try {
    await doing()
    say(words)
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    if (isOver(error) && !find('inside').hidden) showEntrance()
    say(error.message)
  }
}

function showEntrance(): void {
  clearTimeout(timer)
  const fresh = invitation !== ''
  find('inside').hidden = find('who').hidden = find('sign-out').hidden = true
  // Nothing stays in the page of what only an operator may see.
  for (const id of ['rooms', 'keys', 'sessions', 'who']) find(id).replaceChildren()
  hideMade()
  find('enter').hidden = false
  setText(find('enter-title'), fresh ? 'Choose a name and a password' : 'Sign in')
  setText(find('enter-button'), fresh ? 'Go on' : 'Sign in')
  find('enter-advice').hidden = !fresh
  setText(find('enter-advice'), 'At least 15 characters: four or five words that nobody would put together. If the link is for another password, the name is the one you have.')
  const password = find<HTMLInputElement>('password')
  password.value = ''
  password.autocomplete = fresh ? 'new-password' : 'current-password'
  password.minLength = fresh ? 15 : 1
  find('name').focus()
}

async function showInside(): Promise<void> {
  const { account } = await ask<{ account: string }>('GET', '/api/auth/session')
  find('enter').hidden = true
  find('inside').hidden = find('who').hidden = find('sign-out').hidden = false
  setText(find('who'), account)
  await Promise.all([showRooms(), showKeys(), showSessions()])
}

async function showRooms(): Promise<void> {
  clearTimeout(timer)
  const { rooms } = await ask<{ rooms: Room[] }>('GET', '/api/connections/active')
  find('no-rooms').hidden = rooms.length > 0
  list(find('rooms'), rooms, ({ room }) => room, roomRow)
  timer = setTimeout(() => {
    if (document.visibilityState === 'visible') void attempt(showRooms, find('said').textContent ?? '')
  }, LOOK_AGAIN)
}

function roomRow({ room, links, members }: Room): Node[] {
  const at = `/api/connections/rooms/${room}`
  const tell = button('Tell…', 'tell', () => {
    void question().then((text) => {
      if (text) void attempt(() => ask('POST', `${at}/broadcast`, { text }), `Room ${room} was told.`)
    })
  })
  const close = button('Close…', 'danger close', () => {
    void confirm(`Close room ${room}? Everybody in it is disconnected, and its links stop working.`, 'Close the room').then((yes) => {
      if (yes) void attempt(() => ask('POST', `${at}/close`).then(showRooms), `Room ${room} is closed.`)
    })
  })
  const people = element('ul', 'members')
  people.append(...members.map((member) => element('li', '', ...memberRow(member, room))))
  const count = `${links} ${links === 1 ? 'link' : 'links'}`
  return [element('div', 'row', element('strong', 'code', room), element('span', 'quiet', count), element('span', 'do', tell, close)), people]
}

function memberRow({ id, role, name, away }: Member, room: string): Node[] {
  const called = name || id
  const kick = button('Remove…', 'danger kick', () => {
    void confirm(`Remove ${called} from room ${room}? Who still has a link can come back.`, 'Remove').then((yes) => {
      if (yes) void attempt(() => ask('POST', `/api/connections/${id}/kick`, {}).then(showRooms), `${called} was removed.`)
    })
  })
  return [element('span', '', called), element('span', 'quiet', away ? `${role}, away` : role), element('span', 'do', kick)]
}

/** What was typed into a dialog of one field; null if it was cancelled. */
function typed(id: string): Promise<string | null> {
  const dialog = find<HTMLDialogElement>(id)
  const form = find<HTMLFormElement>(`${id}-form`)
  form.reset()
  dialog.returnValue = 'no'
  dialog.showModal()
  return new Promise((resolve) => {
    const done = (): void => {
      const text = find<HTMLInputElement>(`${id}-text`).value
      form.reset()
      resolve(dialog.returnValue === 'yes' ? text : null)
    }
    dialog.addEventListener('close', done, { once: true })
  })
}

const question = async (): Promise<string> => (await typed('tell'))?.trim() ?? ''
const again = (): Promise<string | null> => typed('again')

async function showSessions(): Promise<void> {
  const { sessions } = await ask<{ sessions: Session[] }>('GET', '/api/auth/sessions')
  list(find('sessions'), sessions, ({ id }) => id, sessionRow)
}

function sessionRow({ id, opened, seen, yours }: Session): Node[] {
  const end = button('End', 'danger end', () => {
    void attempt(() => confirmed(() => ask('DELETE', `/api/auth/sessions/${id}`), again).then(showSessions), 'That session has ended.')
  })
  const words = `signed in ${sinceWords(opened, Date.now())}, last seen ${sinceWords(seen, Date.now())}`
  return [element('div', 'row', element('span', '', yours ? 'This one' : 'Another one'), element('span', 'quiet', words), element('span', 'do', ...(yours ? [] : [end])))]
}

async function showKeys(): Promise<void> {
  const { keys } = await ask<{ keys: Key[] }>('GET', '/api/admin/api-keys')
  list(find('keys'), keys, ({ id }) => id, keyRow)
}

function keyRow(key: Key): Node[] {
  const revoke = button('Revoke…', 'danger revoke', () => {
    void confirm(`Revoke the key ${key.name}, and those it made? Programs that use them are refused from now on.`, 'Revoke').then((yes) => {
      if (yes) void attempt(() => ask('DELETE', `/api/admin/api-keys/${key.id}`).then(showKeys), `${key.name} is revoked.`)
    })
  })
  const may = element('span', '', mayWords(key.scopes))
  const rest = element('span', 'quiet', [expiresWords(key.expires, Date.now()), fromWords(key.addresses), `${key.per_minute} a minute`, `made by ${key.parent === null ? key.made_by : `a key of ${key.made_by}`}`].join(' · '))
  return [element('div', 'row', element('strong', '', key.name), may, element('span', 'do', revoke)), rest]
}

async function makeKey(): Promise<void> {
  const scopes = [...find('key-scopes').querySelectorAll('input')].filter(({ checked }) => checked).map((box) => box.value)
  if (scopes.length === 0) {
    say('Choose what the key may do.')
    return
  }
  const wanted = {
    name: value('key-name'),
    scopes,
    expires_in: Number(value('key-expires')),
    addresses: networks(value('key-addresses')),
    per_minute: Number(value('key-rate')),
  }
  const { token } = await confirmed(() => ask<{ token: string }>('POST', '/api/admin/api-keys', wanted), again)
  find<HTMLFormElement>('make').reset()
  setText(find('made-token'), token)
  find('made').hidden = false
  await showKeys()
}

const hideMade = (): void => {
  find('made').hidden = true
  setText(find('made-token'), '')
}

find('enter').addEventListener('submit', (event) => {
  event.preventDefault()
  const [name, password] = [value('name'), find<HTMLInputElement>('password').value]
  void attempt(async () => {
    await (invitation ? accept(invitation, name, password) : signIn(name, password))
    invitation = ''
    history.replaceState(null, '', location.pathname)
    find<HTMLInputElement>('password').value = ''
    await showInside()
  })
})
find('make').addEventListener('submit', (event) => {
  event.preventDefault()
  void attempt(makeKey)
})
find('made-done').addEventListener('click', hideMade)
find('change').addEventListener('submit', (event) => {
  event.preventDefault()
  const [old, fresh] = [find<HTMLInputElement>('old-password').value, find<HTMLInputElement>('new-password').value]
  void attempt(async () => {
    await changePassword(old, fresh)
    find<HTMLFormElement>('change').reset()
    await showInside()
  }, 'Your password is changed. Your other sessions and all your keys have ended.')
})

const leave = (everywhere: boolean): void => {
  void attempt(async () => {
    try {
      await signOut(everywhere)
    } finally {
      showEntrance()
    }
  }, everywhere ? 'You have signed out everywhere, and your keys have ended.' : 'You have signed out.')
}

find('sign-out').addEventListener('click', () => leave(false))
find('sign-out-everywhere').addEventListener('click', () => {
  void confirm('Sign out everywhere? All your sessions and all the keys you made end.', 'Sign out').then((yes) => {
    if (yes) leave(true)
  })
})
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible' && !find('inside').hidden) void attempt(showRooms, find('said').textContent ?? '')
})

if (invitation) showEntrance()
else {
  void showInside().catch((error: unknown) => {
    showEntrance()
    if (!(error instanceof Refused)) throw error
    if (!isOver(error)) say(error.message)
  })
}
