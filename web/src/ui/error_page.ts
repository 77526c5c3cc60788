/* The page in place of the page: what is wrong and what to do. Every page has the same four elements for it. */

import { find, setText } from './dom.ts'
import { type PageError, errorText } from './errors.ts'
import { mendLink } from './mend_link.ts'

let isLookedAt = false

/** Where the link only has something around it, the page is loaded again with what it was meant to be. */
function isMended(): boolean {
  isLookedAt = true
  const mended = mendLink(location.pathname, location.hash)
  history.replaceState(null, '', location.pathname.replace(/%23.*/, ''))
  if (mended !== null) location.replace(mended)
  return mended !== null
}

export function showError(error: PageError | null): void {
  if (error?.code === 'link_incomplete' && !isLookedAt && isMended()) return
  find('app').hidden = error !== null
  find('error').hidden = error === null
  if (!error) return
  const [title, advice] = errorText(error)
  setText(find('error-title'), title)
  setText(find('error-advice'), advice)
  setText(find('error-code'), error.code)
}
