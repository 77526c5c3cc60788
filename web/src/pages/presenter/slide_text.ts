/* What the page says of the slides beside their number. */

import type { App } from './app.ts'

export function buildWords({ deck }: App): string {
  return deck.build && deck.build.count > 0 ? `step ${deck.build.position} of ${deck.build.count}` : ''
}

const two = (value: number): string => String(value).padStart(2, '0')

export function elapsed(milliseconds: number | null): string {
  if (milliseconds === null) return '–:––'
  const seconds = Math.max(0, Math.floor(milliseconds / 1000))
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor(seconds / 60) % 60
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`
}
