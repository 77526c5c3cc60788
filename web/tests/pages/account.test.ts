/* The account page's words, and that it spends a refresh token once. */

import { afterEach, expect, test, vi } from 'vitest'
import { ask, confirmed, isOver, Refused } from '../../src/pages/account/api.ts'
import { expiresWords, fromWords, mayWords, networks, sinceWords } from '../../src/pages/account/words.ts'

const json = (status: number, body: unknown): Response =>
  new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } })
const over = (): Response => json(401, { statusCode: 401, code: 'unauthorized', message: 'Sign in.' })

afterEach(() => vi.unstubAllGlobals())

/** A server whose access token has expired until it is refreshed. */
function server(): string[] {
  const asked: string[] = []
  let fresh = false
  let waiting: Promise<unknown> = Promise.resolve()
  vi.stubGlobal('fetch', async (path: string, { method }: RequestInit) => {
    asked.push(`${method} ${path}`)
    await Promise.resolve()
    if (path === '/api/auth/refresh') fresh = true
    return fresh ? json(200, { ok: path }) : over()
  })
  vi.stubGlobal('navigator', {
    locks: { request: (_: string, work: () => Promise<unknown>) => (waiting = waiting.then(work)) },
  })
  return asked
}

test('an expired access token is refreshed, and the request asked again', async () => {
  const asked = server()
  expect(await ask('GET', '/api/connections/active')).toEqual({ ok: '/api/connections/active' })
  expect(asked).toEqual(['GET /api/connections/active', 'GET /api/auth/session', 'POST /api/auth/refresh', 'GET /api/connections/active'])
})

test('however many notice at once, the refresh token is spent once', async () => {
  const asked = server()
  await Promise.all([ask('GET', '/a'), ask('GET', '/b'), ask('GET', '/c')])
  expect(asked.filter((line) => line === 'POST /api/auth/refresh')).toHaveLength(1)
})

test('what is refused for another reason is not asked again, and says why', async () => {
  const fetched = vi.fn(async () => json(403, { statusCode: 403, code: 'scope_missing', message: 'Not for this.' }))
  vi.stubGlobal('fetch', fetched)
  await expect(ask('GET', '/a')).rejects.toEqual(new Refused(403, 'scope_missing', 'Not for this.'))
  expect(fetched).toHaveBeenCalledTimes(1)
})

test('a server that does not answer is said to', async () => {
  vi.stubGlobal('fetch', async () => {
    throw new TypeError('failed to fetch')
  })
  await expect(ask('GET', '/a')).rejects.toThrow('does not answer')
})

/** A server that wants the password once more for `POST /key`, and takes one. */
function careful(right: string): string[] {
  const asked: string[] = []
  let known = false
  vi.stubGlobal('navigator', {})
  vi.stubGlobal('fetch', async (path: string, { method, body }: RequestInit) => {
    asked.push(`${method} ${path}`)
    if (path === '/api/auth/confirm') {
      known = (JSON.parse(String(body)) as { password: string }).password === right
      return known ? json(200, {}) : json(401, { code: 'sign_in_wrong', message: 'Wrong.' })
    }
    if (method === 'POST' && !known) return json(401, { code: 'insufficient_user_authentication', message: 'Once more.' })
    return json(200, { ok: path })
  })
  return asked
}

test('what needs the password once more asks for it, once, and goes on', async () => {
  const asked = careful('right')
  const given = vi.fn(async () => 'right')
  expect(await confirmed(() => ask('POST', '/key'), given)).toEqual({ ok: '/key' })
  expect(given).toHaveBeenCalledTimes(1)
  expect(asked).toEqual(['POST /key', 'GET /api/auth/session', 'POST /api/auth/confirm', 'POST /key'])
})

test('a wrong password, or none, does nothing and is no end of the session', async () => {
  for (const given of ['wrong', null]) {
    const asked = careful('right')
    const no: unknown = await confirmed(() => ask('POST', '/key'), async () => given).catch((error: unknown) => error)
    expect(no).toBeInstanceOf(Refused)
    expect(isOver(no)).toBe(false)
    expect(asked.filter((line) => line === 'POST /key')).toHaveLength(1)
    expect(asked).not.toContain('POST /api/auth/refresh')
  }
})

test('words about sessions', () => {
  expect(sinceWords(100, 100_000)).toBe('just now')
  expect(sinceWords(0, 600_000)).toBe('10 min ago')
  expect(sinceWords(0, 5 * 3_600_000)).toBe('5 h ago')
  expect(sinceWords(0, 3 * 86_400_000)).toBe('3 days ago')
})

test('words about keys', () => {
  expect(mayWords(['connections.read', 'turn.credentials'])).toBe('sees rooms, uses the relays')
  expect(fromWords([])).toBe('from everywhere')
  expect(fromWords(['192.0.2.0/24', '2001:db8::/48'])).toBe('from 192.0.2.0/24, 2001:db8::/48')
  expect(expiresWords(90 * 86_400, 0)).toBe('good for 90 days')
  expect(expiresWords(3600, 0)).toBe('good for 1 h')
  expect(expiresWords(10, 20_000)).toBe('expired')
  expect(networks(' 192.0.2.7, 2001:db8::/48;10.0.0.0/8 ')).toEqual(['192.0.2.7', '2001:db8::/48', '10.0.0.0/8'])
  expect(networks('  ')).toEqual([])
})
