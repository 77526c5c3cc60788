/* The keyboard, and with it every hardware clicker: they are keyboards that know a dozen keys. */

import type { Intent, Verb } from '../../protocol/records.ts'

// prettier-ignore
const KEYS = new Map<string, Verb>(Object.entries<Verb>({
  PageDown: 'next', ArrowRight: 'next', ArrowDown: 'next', ' ': 'next', Enter: 'next',
  PageUp: 'previous', ArrowLeft: 'previous', ArrowUp: 'previous', Backspace: 'previous',
  Home: 'first', End: 'last', b: 'black', '.': 'black', w: 'white', ',': 'white',
}))

/** What the browser itself does with a key on such an element comes first. */
const OWN_KEYS: [selector: string, keys: string[]][] = [
  ['input, textarea, select, dialog *', [...KEYS.keys()]],
  ['button, a', [' ', 'Enter']],
  ['[tabindex]', ['ArrowUp', 'ArrowDown']],
]

/** `B` and `b` are one key. */
const name = ({ key }: { key: string }): string => (key.length === 1 ? key.toLowerCase() : key)

export function keyIntent(event: Pick<KeyboardEvent, 'key' | 'repeat' | 'ctrlKey' | 'metaKey' | 'altKey'>): Intent | null {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return null
  const verb = KEYS.get(name(event))
  return verb ? { verb, argument: 0 } : null
}

export function listenToKeys(submit: (intent: Intent) => void): void {
  document.addEventListener('keydown', (event) => {
    const target = event.target instanceof Element ? event.target : null
    const key = name(event)
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
