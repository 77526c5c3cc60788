/* The same table as the host's: protocol/vectors/privacy.json. */

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Filter, kindOf, permitServers, type Privacy, readPrivacy, stricter } from '../../src/protocol/privacy.ts'

const vectors = JSON.parse(readFileSync(new URL('../../../protocol/vectors/privacy.json', import.meta.url), 'utf8'))

interface Case { policy: Privacy; near: boolean }
const filter = ({ policy, near }: Case): Filter => Object.assign(new Filter(policy), { isNear: near })

test('the stricter of two policies, and words of later versions', () => {
  for (const { one, other, is } of vectors.stricter) expect(stricter(one, other)).toBe(is)
  for (const { word, is } of vectors.read) expect(readPrivacy(word, 'balanced')).toBe(is)
})

test('what an address is', () => {
  for (const { address, is } of vectors.kinds) expect([address, kindOf(address)]).toEqual([address, is])
})

test('which candidates pass, and what is left of them', () => {
  for (const { candidate, passes } of vectors.candidates) {
    expect([candidate, vectors.cases.map((each: Case) => filter(each).candidate(candidate))]).toEqual([candidate, passes])
  }
})

test('what is left of a description', () => {
  for (const { description, passes } of vectors.descriptions) {
    const cases = passes.length === vectors.cases.length ? vectors.cases : vectors.cases.slice(2, 4)
    const left = cases.map((each: Case) => {
      const one = filter(each)
      return { passes: one.description(description), stopped: one.stopped }
    })
    expect([description, left]).toEqual([description, passes])
  }
})

test('one foundation stays one, and says nothing of what it was made of', () => {
  const one = new Filter('balanced')
  const named = ['a1', 'b2', 'a1'].map((foundation) => one.candidate(`candidate:${foundation} 1 udp 1 8.8.8.8 9 typ host`))
  expect(named.map((text) => text?.split(' ')[0])).toEqual(['candidate:1', 'candidate:2', 'candidate:1'])
})

test('which ICE servers may be used', () => {
  for (const { servers, hosts, ...expected } of vectors.servers) expect(permitServers(servers, hosts)).toEqual(expected)
})
