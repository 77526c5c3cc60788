/* The page in place of the page: what is wrong and what to do. Every page has the same four elements for it. */

import { find, setText } from './dom.ts'
import { type PageError, errorText } from './errors.ts'

export function showError(error: PageError | null): void {
  find('app').hidden = error !== null
  find('error').hidden = error === null
  if (!error) return
  const [title, advice] = errorText(error)
  setText(find('error-title'), title)
  setText(find('error-advice'), advice)
  setText(find('error-code'), error.code)
}
