/* The keyboard, and with it every hardware clicker: they are keyboards that know a dozen keys. A key is known by its place
 * (`code`): the same one on every layout. Its name counts where a device tells no place, and on the number pad. */

import type { Intent, Verb } from '../protocol/records.ts'

// prettier-ignore
const KEYS = new Map<string, Verb>(Object.entries<Verb>({
  PageDown: 'next', ArrowRight: 'next', ArrowDown: 'next', Space: 'next', Enter: 'next',
  PageUp: 'previous', ArrowLeft: 'previous', ArrowUp: 'previous', Backspace: 'previous',
  Home: 'first', End: 'last', KeyB: 'black', Period: 'black', KeyW: 'white', Comma: 'white', F5: 'start',
}))

/** What the browser itself does with a key on such an element comes first. */
const OWN_KEYS: [selector: string, keys: string[]][] = [
  ['input, textarea, select, dialog *', [...KEYS.keys()]],
  ['button, a', ['Space', 'Enter']],
  ['[tabindex]', ['ArrowUp', 'ArrowDown']],
]

type Key = Pick<KeyboardEvent, 'code' | 'key' | 'repeat' | 'ctrlKey' | 'metaKey' | 'altKey'>

const name = ({ code, key }: Key): string => (KEYS.has(code) ? code : key === ' ' ? 'Space' : key)

export function keyIntent(event: Key): Intent | null {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return null
  const verb = KEYS.get(name(event))
  return verb ? { verb, argument: 0 } : null
}

export function listenToKeys(submit: (intent: Intent) => void): void {
  document.addEventListener('keydown', (event) => {
    const target = event.target instanceof Element ? event.target : null
    const key = name(event)
    if (key === 'F5' && !event.ctrlKey) event.preventDefault() // a clicker's Start: a page that loads anew loses a tap
    if (event.repeat && key === 'Enter' && target?.matches('button')) event.preventDefault() // else each repeat is a click
    if (OWN_KEYS.some(([selector, keys]) => keys.includes(key) && target?.matches(selector))) return
    if (document.querySelector('dialog[open]')) return
    if (event.repeat && KEYS.has(key)) event.preventDefault() // a key held down neither clicks nor scrolls
    const intent = keyIntent(event)
    if (!intent) return
    event.preventDefault()
    submit(intent)
  })
  // Taking no focus from a pointer leaves the keyboard, and so a hardware clicker, where it was.
  document.addEventListener('mousedown', (event) => {
    if (event.target instanceof Element && event.target.closest('button')) event.preventDefault()
  })
}
