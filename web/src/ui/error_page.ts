/* The page in place of the page: what is wrong and what to do. Every page has the same four elements for it. */

import { find, setText } from './dom.ts'
import { type Trouble, troubleWords } from './errors.ts'

export function showTrouble(trouble: Trouble | null): void {
  find('app').hidden = trouble !== null
  find('error').hidden = trouble === null
  if (!trouble) return
  const [title, advice] = troubleWords(trouble)
  setText(find('error-title'), title)
  setText(find('error-advice'), advice)
  setText(find('error-code'), trouble.code)
}
