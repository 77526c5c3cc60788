/* The grant of the page that the host opened on its own computer: with it the keyboard there may click. It stands behind the
 * link in the address that the browser was sent to, and in no link. A reload still has it, in this tab. */

const KEY = 'slidewire local'

/** To be called before `enter`, which takes the link out of the address bar. */
export function takeGrant(): string {
  const [, , grant = ''] = location.hash.split('.')
  try {
    if (location.hash) sessionStorage.setItem(KEY, grant)
    return sessionStorage.getItem(KEY) ?? ''
  } catch {
    return grant // storage is switched off
  }
}
