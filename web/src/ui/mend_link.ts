/* What chats, mail programs and people add to a link, or do to its characters, is taken away again. A link has an id of ten
 * characters and a secret of 22; nothing of either may be missing. */

const SEPARATORS = /[\s\u00ad\u200b-\u200f\u2060\ufeff=]+/g
const PAIR = /^([a-z2-7]{10})[.#]+([\w-]{22})/i
const SECRET = /^#*([\w-]{22})/
const ID = /^\/p\/([a-z2-7]{10})(?![a-z2-7])/i

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The path and fragment that this address was meant to have; `null` if something is missing, or nothing to be mended. */
export function mendLink(pathname: string, hash: string): string | null {
  const [path = '', ...rest] = decoded(pathname).replaceAll(SEPARATORS, '').split('#') // `%23` for `#` is in the path
  const fragment = [...rest, decoded(hash.replace(/^#/, '')).replaceAll(SEPARATORS, '')].join('')
  const page = /^\/(operator|deck|program)\b/.exec(path)?.[1]
  const id = ID.exec(path)?.[1]?.toLowerCase()
  const pair = page ? PAIR.exec(fragment) : null
  const secret = id ? SECRET.exec(fragment)?.[1] : null
  const mended = pair ? `/${page}#${pair[1]?.toLowerCase()}.${pair[2]}` : secret ? `/p/${id}#${secret}` : null
  return mended === pathname + hash ? null : mended
}
