/* What the leak test makes of what it found. The finding itself is tested in a browser (tests/e2e/test_leaktest.py). */

import { expect, test } from 'vitest'
import { addressesIn, judge, learnt, type Probe, remedies } from '../../src/pages/leaktest/judge.ts'

const probe = (...candidates: string[]): Probe => ({ candidates, text: candidates.map((text) => `a=${text}`).join('\r\n') })
const HIDDEN = 'candidate:1 1 udp 1 6ba7b810-9dad-11d1-80b4-00c04fd430c8.local 50000 typ host'
const RAW = 'candidate:1 1 udp 1 192.168.1.7 50000 typ host'
const OUTSIDE = 'candidate:2 1 udp 1 198.51.100.7 50000 typ srflx raddr 0.0.0.0 rport 0'
const RELAY = 'candidate:3 1 udp 1 203.0.113.1 50000 typ relay raddr 0.0.0.0 rport 0'
const SEEN = '198.51.100.7'
const failed = (all: Probe, relayOnly = probe(RELAY), pair = probe(), seen = SEEN): number[] =>
  judge(all, relayOnly, pair, seen).flatMap(({ passed }, index) => (passed ? [] : [index]))

test('addresses are found wherever they stand', () => {
  expect(addressesIn('"ip":"10.0.0.1","address":"FD00::7" c=IN IP4 198.51.100.7 12:30 1.2.3 sha-256 AB:CD 0.0.0.0')).toEqual(['10.0.0.1', 'fd00::7', '198.51.100.7'])
})

test('a browser that hides what it can passes', () => {
  expect(failed(probe(HIDDEN, OUTSIDE, RELAY))).toEqual([])
  expect(failed(probe(), probe())).toEqual([])
})

test('each leak is found by its own name', () => {
  expect(failed(probe(RAW))).toEqual([0, 3])
  expect(failed(probe(HIDDEN, OUTSIDE), probe(), probe(), '203.0.113.99')).toEqual([1])
  expect(failed(probe('candidate:1 1 udp 1 2600::7 50000 typ host'))).toEqual([0, 2])
  expect(failed(probe('candidate:2 1 udp 1 198.51.100.7 9 typ srflx raddr 10.0.0.7 rport 0'))).toEqual([3])
  expect(failed(probe(HIDDEN), probe(RELAY), probe(RAW))).toEqual([4])
  expect(failed(probe(HIDDEN), probe('candidate:3 1 udp 1 203.0.113.1 50000 typ relay raddr 198.51.100.7 rport 0'))).toEqual([5])
})

test('what the policies let pass, and that they keep what they promise', () => {
  const all = probe(RAW, HIDDEN, OUTSIDE, RELAY)
  const found = (['open', 'balanced', 'private'] as const).map((policy) => learnt(policy, all, probe(RELAY)))
  expect(found.map(({ found: told }) => told)).toEqual([
    ['192.168.1.7', '198.51.100.7', "203.0.113.1 (the relay's)"],
    ['198.51.100.7', "203.0.113.1 (the relay's)"],
    ["203.0.113.1 (the relay's)"],
  ])
  expect(found.every(({ passed }) => passed)).toBe(true)
})

test('there is a remedy for every browser, and none where nothing is amiss', () => {
  const findings = judge(probe(RAW), probe(), probe(), SEEN)
  for (const agent of ['Chrome/140', 'Firefox/140', 'Version/18 Safari/605']) expect(remedies(findings, agent).length).toBe(2)
  expect(remedies(judge(probe(HIDDEN), probe(), probe(), SEEN), 'Chrome/140')).toEqual([])
})
