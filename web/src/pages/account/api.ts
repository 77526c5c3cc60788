/* The server's API, as its own page asks it: by cookies that no script can read. An access token lives for a quarter of
 * an hour; when it has expired, the refresh token is spent on the next pair, once, whichever tab notices first. A token
 * that two tabs spent would be a stolen one to the server, and end the session. */

export interface Member {
  id: string
  role: string
  name: string
  away: boolean
}

export interface Room {
  room: string
  links: number
  members: Member[]
}

export interface Key {
  id: string
  name: string
  scopes: string[]
  expires: number
  addresses: string[]
  per_minute: number
  made_by: string
  parent: string | null
}

export interface Session {
  id: string
  opened: number
  seen: number
  yours: boolean
}

/** An answer that says no, in words for a person. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message)
  }
}

async function once<T>(method: string, path: string, body?: unknown): Promise<T> {
  const asked: RequestInit = { method, cache: 'no-store', credentials: 'same-origin' }
  if (body !== undefined) {
    asked.headers = { 'Content-Type': 'application/json' }
    asked.body = JSON.stringify(body)
  }
  let answer: Response
  try {
    answer = await fetch(path, asked)
  } catch {
    throw new Refused(0, 'unreachable', 'The server does not answer.')
  }
  const said: unknown = answer.headers.get('Content-Type')?.startsWith('application/json') ? await answer.json() : null
  if (answer.ok) return said as T
  const { code = '', message = '' } = (said ?? {}) as { code?: string; message?: string }
  throw new Refused(answer.status, code, message || 'The server said no.')
}

const hasCode = (error: unknown, ...codes: string[]): boolean => error instanceof Refused && codes.includes(error.code)

/** Whether it says that this browser is not signed in (any more). A wrong password is answered 401, too. */
export const isOver = (error: unknown): boolean => hasCode(error, 'unauthorized', 'token_invalid', 'token_reused')

async function refreshUnlessDone(): Promise<void> {
  try {
    await once('GET', '/api/auth/session')
  } catch (error) {
    if (!isOver(error)) throw error
    await once('POST', '/api/auth/refresh', {})
  }
}

/** One tab at a time: a tab that changes tokens must not find that another just did. */
async function alone<T>(work: () => Promise<T>): Promise<T> {
  return navigator.locks ? ((await navigator.locks.request('slidewire-refresh', work)) as T) : work()
}

/** The next tab finds that it need not. */
const refresh = (): Promise<void> => alone(refreshUnlessDone)

export async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  try {
    return await once<T>(method, path, body)
  } catch (error) {
    if (!isOver(error)) throw error
    await refresh()
    return once<T>(method, path, body)
  }
}

/** For what needs the password once more: ask for it, once, and go on. `password`: null if none is given. */
export async function confirmed<T>(doing: () => Promise<T>, password: () => Promise<string | null>): Promise<T> {
  try {
    return await doing()
  } catch (error) {
    if (!hasCode(error, 'insufficient_user_authentication')) throw error
    const given = await password()
    if (given === null) throw error
    await ask('GET', '/api/auth/session') // so that what comes next finds an access token that is good
    await alone(() => once('POST', '/api/auth/confirm', { password: given }))
    return doing()
  }
}

export async function changePassword(password: string, fresh: string): Promise<void> {
  await ask('GET', '/api/auth/session')
  await alone(() => once('POST', '/api/auth/password', { password, new_password: fresh }))
}

export const signIn = (name: string, password: string): Promise<unknown> =>
  once('POST', '/api/auth/token', { name, password, cookies: true })

export const accept = (invitation: string, name: string, password: string): Promise<unknown> =>
  once('POST', '/api/auth/accept', { invitation, name, password, cookies: true })

export const signOut = (everywhere = false): Promise<unknown> => once('POST', '/api/auth/revoke', { everywhere })
