/* Milliseconds that never go back and that count while the machine sleeps. `performance.now()` stops during sleep on
 * most phones, which would make every deadline after it look long past; the wall clock jumps when it is set. */

export function monotonicClock(wall: () => number = Date.now): () => number {
  const start = wall()
  let shift = -start
  let last = 0
  return () => {
    let now = wall() + shift
    if (now < last) {
      shift += last - now
      now = last
    }
    last = now
    return now
  }
}
