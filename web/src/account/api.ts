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

const isOver = (error: unknown): boolean => error instanceof Refused && error.status === 401

async function refreshUnlessDone(): Promise<void> {
  try {
    await once('GET', '/api/auth/session')
  } catch (error) {
    if (!isOver(error)) throw error
    await once('POST', '/api/auth/refresh', {})
  }
}

/** One tab at a time; the next one finds that it need not. */
async function refresh(): Promise<void> {
  await (navigator.locks ? navigator.locks.request('slidewire-refresh', refreshUnlessDone) : refreshUnlessDone())
}

export async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  try {
    return await once<T>(method, path, body)
  } catch (error) {
    if (!isOver(error)) throw error
    await refresh()
    return once<T>(method, path, body)
  }
}

export const signIn = (name: string, password: string): Promise<unknown> =>
  once('POST', '/api/auth/token', { name, password, cookies: true })

export const accept = (invitation: string, name: string, password: string): Promise<unknown> =>
  once('POST', '/api/auth/accept', { invitation, name, password, cookies: true })

export const signOut = (): Promise<unknown> => once('POST', '/api/auth/revoke', {})
