/* The keyboard, and with it every hardware clicker: they are keyboards that know a dozen keys. */

import type { Intent, Verb } from '../client/records.ts'

// prettier-ignore
const KEYS: { [key: string]: Verb } = {
  PageDown: 'next', ArrowRight: 'next', ArrowDown: 'next', ' ': 'next', Enter: 'next', n: 'next',
  PageUp: 'previous', ArrowLeft: 'previous', ArrowUp: 'previous', Backspace: 'previous', p: 'previous',
  Home: 'first', End: 'last', b: 'black', '.': 'black', w: 'white', ',': 'white',
}

/** What the browser itself does with a key on such an element comes first. */
const OWN_KEYS: [selector: string, keys: string[]][] = [
  ['input, textarea, select, dialog *', Object.keys(KEYS)],
  ['button, a', [' ', 'Enter']],
  ['[tabindex]', ['ArrowUp', 'ArrowDown']],
]

export function keyIntent(event: Pick<KeyboardEvent, 'key' | 'repeat' | 'ctrlKey' | 'metaKey' | 'altKey'>): Intent | null {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return null
  const verb = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key]
  return verb ? { verb, argument: 0 } : null
}

export function listenToKeys(submit: (intent: Intent) => void): void {
  document.addEventListener('keydown', (event) => {
    const target = event.target instanceof Element ? event.target : null
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
    if (OWN_KEYS.some(([selector, keys]) => keys.includes(key) && target?.matches(selector))) return
    if (document.querySelector('dialog[open]')) return
    if (event.repeat && key in KEYS) event.preventDefault() // a key held down neither clicks nor scrolls
    const intent = keyIntent(event)
    if (!intent) return
    event.preventDefault()
    submit(intent)
  })
}
