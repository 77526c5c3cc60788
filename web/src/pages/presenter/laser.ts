/* The slide picture as a laser pad: touch and drag, and the dot on the audience's screen follows.
 *
 * Points are gathered and sent thirty times a second, each packet with the last few, so that a lost one leaves no gap.
 * A finger that rests is repeated now and then, because the host takes the dot away after a second of silence. */

import type { Point } from '../../protocol/records.ts'
import { fit, type Rectangle } from '../../ui/fit.ts'

const EVERY = 33
const RESTING = 300
const IN_A_PACKET = 4

const clamp = (value: number): number => Math.min(1, Math.max(0, value))

export function fraction(picture: Rectangle, x: number, y: number): Point {
  return { x: clamp((x - picture.left) / picture.width), y: clamp((y - picture.top) / picture.height) }
}

export function laserPad(pad: HTMLElement, dot: HTMLElement, ratio: () => number, point: (points: Point[]) => void): void {
  let pointer: number | null = null
  let recent: Point[] = []
  let fresh = false
  let sentAt = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  const send = (): void => {
    const now = performance.now()
    if (fresh || now - sentAt >= RESTING) {
      point(recent)
      fresh = false
      sentAt = now
    }
    timer = setTimeout(send, EVERY)
  }
  const add = (event: PointerEvent): void => {
    const box = pad.getBoundingClientRect()
    const picture = fit(box, ratio())
    const moves = event.getCoalescedEvents?.() ?? []
    for (const { clientX, clientY } of moves.length > 0 ? moves : [event]) recent.push(fraction(picture, clientX, clientY))
    recent = recent.slice(-IN_A_PACKET)
    fresh = true
    const at = recent.at(-1) as Point
    dot.style.left = `${picture.left - box.left + at.x * picture.width}px`
    dot.style.top = `${picture.top - box.top + at.y * picture.height}px`
    dot.hidden = false
  }
  const stop = (event: PointerEvent): void => {
    if (event.pointerId !== pointer) return
    pointer = null
    clearTimeout(timer)
    if (fresh) point(recent)
    point([])
    recent = []
    dot.hidden = true
  }
  pad.addEventListener('pointerdown', (event) => {
    if (pointer !== null || !event.isPrimary || (event.target as Element).closest('button')) return
    pointer = event.pointerId
    pad.setPointerCapture(pointer)
    add(event)
    sentAt = -Infinity
    send()
  })
  pad.addEventListener('pointermove', (event) => {
    if (event.pointerId === pointer) add(event)
  })
  pad.addEventListener('pointerup', stop)
  pad.addEventListener('pointercancel', stop)
}
