/* The socket made of requests, with a server that is a function. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { HttpSocket } from '../../src/transport/http_socket.ts'

interface Asked {
  name: string | undefined
  body: string
  answer(text: string, status?: number): void
}
let asked: Asked[]
let heard: string[]

beforeEach(() => {
  vi.useFakeTimers()
  asked = []
  heard = []
  vi.stubGlobal('fetch', (url: string, { headers, body }: { headers: { [name: string]: string }; body: string }) => {
    expect(url).toBe('http://server/ws')
    return new Promise((resolve) => {
      const answer = (text: string, status = 200): void => {
        resolve(new Response(text, { status, headers: { 'Slidewire-Socket': 'name' } }))
      }
      asked.push({ name: headers['Slidewire-Socket'], body, answer })
    })
  })
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

const turn = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0)

function open(): HttpSocket {
  const posts = new HttpSocket('http://server/ws')
  for (const type of ['open', 'close']) posts.addEventListener(type, () => heard.push(type))
  posts.addEventListener('message', (event) => heard.push((event as MessageEvent<string>).data))
  return posts
}

test('what is said in one go goes in one request, and what comes meanwhile in the next', async () => {
  const posts = open()
  await turn()
  expect(heard).toEqual(['open'])
  posts.send('join')
  posts.send('hello')
  await turn()
  posts.send('tap')
  posts.send('offer')
  await turn()
  expect(asked.map(({ name, body }) => [name, body])).toEqual([[undefined, 'join\nhello']])
  asked[0]?.answer('joined\nwelcome')
  await turn()
  expect(heard).toEqual(['open', 'joined', 'welcome'])
  expect(asked.map(({ name, body }) => [name, body])).toEqual([[undefined, 'join\nhello'], ['name', 'tap\noffer']])
  asked[1]?.answer('')
  await turn()
  expect([heard.length, asked.length]).toEqual([3, 2])
})

test.each([404, 405, 503])('an answer %i ends it', async (status) => {
  const posts = open()
  posts.send('join')
  await turn()
  asked[0]?.answer('no such thing', status)
  await turn()
  expect(heard).toEqual(['open', 'close'])
  posts.send('join')
  await turn()
  expect(asked).toHaveLength(1)
})

test('it does not last, and says so', async () => {
  open()
  await vi.advanceTimersByTimeAsync(3000)
  expect(heard).toEqual(['open', 'close'])
})

test('once closed it says nothing more', async () => {
  const posts = open()
  posts.send('join')
  await turn()
  posts.close()
  asked[0]?.answer('joined')
  await vi.advanceTimersByTimeAsync(6000)
  expect(heard).toEqual(['open'])
})
