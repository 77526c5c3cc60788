/* What the pages with lists on them build their rows of, and the question before something that cannot be undone. */

import { find, setText } from './dom.ts'

export function confirm(question: string, yes: string): Promise<boolean> {
  const dialog = find<HTMLDialogElement>('confirm')
  setText(find('confirm-text'), question)
  setText(find('confirm-yes'), yes)
  dialog.returnValue = 'no'
  dialog.showModal()
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true })
  })
}

export function element(name: string, className: string, ...content: (string | Node)[]): HTMLElement {
  const made = document.createElement(name)
  if (className) made.className = className
  made.append(...content)
  return made
}

export function button(words: string, className: string, pressed: () => void): HTMLButtonElement {
  const made = element('button', className, words) as HTMLButtonElement
  made.type = 'button'
  made.addEventListener('click', pressed)
  return made
}

/** Rows are kept by key and rebuilt only when their content changes, so that a focus or a press is never lost. */
export function list<T>(into: HTMLElement, rows: T[], key: (row: T) => string, build: (row: T) => Node[]): void {
  const old = new Map([...into.children].map((item) => [(item as HTMLElement).dataset['key'], item as HTMLElement]))
  const items = rows.map((row) => {
    const content = JSON.stringify(row)
    const item = old.get(key(row)) ?? element('li', '')
    if (item.dataset['content'] !== content) {
      const focused = item.contains(document.activeElement) ? (document.activeElement as HTMLElement).className : null
      item.dataset['key'] = key(row)
      item.dataset['content'] = content
      item.replaceChildren(...build(row))
      if (focused) (item.querySelector(`button.${focused.split(' ').join('.')}`) as HTMLElement | null)?.focus()
    }
    return item
  })
  for (const item of into.querySelectorAll(':scope > li')) if (!items.includes(item as HTMLElement)) item.remove()
  items.forEach((item, index) => {
    if (into.children[index] !== item) into.insertBefore(item, into.children[index] ?? null)
  })
}
