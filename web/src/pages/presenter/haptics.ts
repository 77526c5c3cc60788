/* What a tap did, for a thumb. Phones that cannot vibrate (all of Apple's, from a page) simply do not. */

import type { Status } from '../../protocol/records.ts'

const PATTERNS: { [status in Status]: number[] } = {
  performed: [25],
  duplicate: [25],
  refused: [70, 60, 70],
  failed: [70, 60, 70],
  expired: [70, 60, 70, 60, 70],
  unknown: [250],
}

export function vibrate(status: Status): void {
  navigator.vibrate?.(PATTERNS[status])
}
