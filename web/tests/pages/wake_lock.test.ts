import { afterEach, expect, test, vi } from 'vitest'

import { keepScreenOn } from '../../src/ui/wake_lock.ts'

class Lock {
  released = false
  release(): Promise<void> {
    this.released = true
    return Promise.resolve()
  }
}

function browser(): { locks: Lock[]; document: EventTarget & { visibilityState: string }; refuse: boolean } {
  const page = { locks: [] as Lock[], document: Object.assign(new EventTarget(), { visibilityState: 'visible' }), refuse: false }
  const request = (): Promise<Lock> => {
    if (page.refuse) return Promise.reject(new Error('battery saver'))
    const lock = new Lock()
    page.locks.push(lock)
    return Promise.resolve(lock)
  }
  vi.stubGlobal('document', page.document)
  vi.stubGlobal('navigator', { wakeLock: { request } })
  return page
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve))

afterEach(() => vi.unstubAllGlobals())

test('it is asked for again when the page comes back, and not while it is held', async () => {
  const page = browser()
  keepScreenOn()
  await turn()
  page.document.dispatchEvent(new Event('pointerdown'))
  await turn()
  expect(page.locks).toHaveLength(1)
  page.document.visibilityState = 'hidden'
  for (const lock of page.locks) lock.released = true
  page.document.dispatchEvent(new Event('visibilitychange'))
  await turn()
  expect(page.locks).toHaveLength(1)
  page.document.visibilityState = 'visible'
  page.document.dispatchEvent(new Event('visibilitychange'))
  await turn()
  expect(page.locks).toHaveLength(2)
})

test('where it was refused, a touch asks again', async () => {
  const page = browser()
  page.refuse = true
  keepScreenOn()
  await turn()
  page.refuse = false
  page.document.dispatchEvent(new Event('pointerdown'))
  await turn()
  expect(page.locks).toHaveLength(1)
})

test('after the show it is let go of, and not asked for again', async () => {
  const page = browser()
  const letSleep = keepScreenOn()
  await turn()
  letSleep()
  expect(page.locks.map((lock) => lock.released)).toEqual([true])
  page.document.dispatchEvent(new Event('visibilitychange'))
  await turn()
  expect(page.locks).toHaveLength(1)
})

test('a lock that comes after the end is let go of at once', async () => {
  const page = browser()
  keepScreenOn()()
  await turn()
  expect(page.locks.map((lock) => lock.released)).toEqual([true])
})
