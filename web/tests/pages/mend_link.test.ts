import { expect, test } from 'vitest'

import { mendLink } from '../../src/ui/mend_link.ts'

const ID = 'vi5legeu6a'
const SECRET = '60HAhAf8HqztAB7Brhg_-Q'
const PAGE = `/p/${ID}`
const GOOD = `${PAGE}#${SECRET}`
const half = `${SECRET.slice(0, 14)}`
const rest = SECRET.slice(14)

test.each([
  ...['.', ')', '>', ',', "'", '"', '*', '_', '%20', ' ', '/', ';', '…', '%E2%80%A6', '\u200b', '%E2%80%8B', '\u00a0', '%C2%A0', '%',
    '?fbclid=abc', '&data=05', ':~:text=hi', '&sa=D&source=editors', '#', ').', '%29'].map((added) => [PAGE, `#${SECRET}${added}`]),
  [PAGE, `##${SECRET}`],
  [PAGE, `#%23${SECRET}`],
  [PAGE, `# ${SECRET}`],
  [`${PAGE}/`, `#${SECRET}`],
  [`${PAGE}%20`, `#${SECRET}`],
  [`${PAGE}.`, `#${SECRET}`],
  [`/p/${ID.toUpperCase()}`, `#${SECRET}`],
  [`${PAGE}%23${SECRET}`, ''],
  [`${PAGE}%23${SECRET}.`, ''],
  [`${PAGE}/%23${SECRET}`, ''],
  [PAGE, `#${half}=${rest}`],
  [PAGE, `#${half}\n${rest}`],
  [PAGE, `#${half}%0D%0A${rest}`],
  [PAGE, `#${half}%20${rest}`],
  [PAGE, `#${half}=%0D%0A${rest}`],
  [PAGE, `#${SECRET.replace('-', '%2D').replace('_', '%5F')}`],
])('%s%s is the link', (path, hash) => {
  expect(mendLink(path, hash)).toBe(GOOD)
})

test.each([
  ['/operator', `#${ID}.${SECRET}.`],
  ['/operator/', `#${ID}.${SECRET}`],
  ['/operator', `#${ID}.${SECRET})`],
  ['/operator', `#${ID.toUpperCase()}.${SECRET}`],
  [`/operator%23${ID}.${SECRET}`, ''],
  ['/operator', `#${ID}%2E${SECRET}?fbclid=abc`],
  ['/operator', `#${ID}.${half}%20${rest}`],
])('%s%s is the operator link', (path, hash) => {
  expect(mendLink(path, hash)).toBe(`/operator#${ID}.${SECRET}`)
})

test.each([
  [PAGE, ''],
  [PAGE, '#'],
  [PAGE, `#${SECRET.slice(0, 21)}`],
  [PAGE, `#${SECRET.slice(0, 21)}.`],
  [PAGE, `#${SECRET.slice(0, 10)}.${SECRET.slice(10)}`],
  [`/p/${ID.slice(0, 9)}`, `#${SECRET}`],
  [`/p/${ID}a`, `#${SECRET}`],
  ['/operator', `#${SECRET}`],
  ['/operator', `#${ID}.${SECRET.slice(0, 20)}`],
  ['/account', `#${ID}.${SECRET}`],
  [PAGE, `#${SECRET}`],
  ['/', `#${SECRET}`],
])('of %s%s nothing can be made', (path, hash) => {
  expect(mendLink(path, hash)).toBeNull()
})
