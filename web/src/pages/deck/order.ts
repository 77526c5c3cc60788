/* Which pictures a screen for the audience asks for first: of the slide that is shown and the next one, then of the one
 * before. Where the network is narrow, or they take long to make, or nothing is known of it yet, a coarse picture comes first,
 * then one as fine as comes in a moment, then the finest there is. */

import { FEW, MOST, type Order, type Size, type Wish } from '../../ui/pictures.ts'

/** Milliseconds in which a picture is to be there, */
const MOMENT = 2500
/** and that may pass before there is any. */
const LONG = 400
/** Bytes in a millisecond. */
const NARROW = 250
const COARSE_WIDTH = 960

export const coarseFirst: Order = (slides, width, { rate, took }) => {
  const coarse = { width: Math.min(width, COARSE_WIDTH), most: FEW }
  const fine = { width, most: 2 ** Math.floor(Math.log2(Math.min(rate * MOMENT, MOST))) }
  const sizes = !rate ? [coarse] : took > LONG || rate < NARROW ? [coarse, fine] : [fine]
  const of = (some: number[]): Wish[] => sizes.flatMap((size: Size) => some.map((slide): Wish => [slide, size]))
  const shown = slides.slice(0, 1)
  if (!rate) return of(shown)
  const finest = shown.map((slide): Wish => [slide, { width, most: MOST }])
  return [...of(slides.slice(0, 2)), ...of(slides.slice(2)), ...finest]
}
