/* Buttons that act when they are touched, not when they are let go, and that take a nervous double tap as one.
 *
 * After a tap the button is really disabled for a moment, so that a second one has nothing to press. Keyboards and
 * screen readers come as clicks without a touch; they are not held up. */

const GUARD = 150
/** A click this soon after a finger was lifted belongs to it. */
const SAME_TAP = 400

export interface TapButton {
  setEnabled(enabled: boolean): void
}

export function tapButton(button: HTMLButtonElement, tap: () => void): TapButton {
  let enabled = true
  let guarded = false
  let held = false
  let lifted = -Infinity
  const update = (): void => {
    button.disabled = guarded || !enabled
    button.classList.toggle('unavailable', !enabled)
  }
  button.addEventListener('pointerdown', (event) => {
    if (event.button !== 0 || button.disabled) return
    held = true
    tap()
    guarded = true
    update()
    setTimeout(() => {
      guarded = false
      update()
    }, GUARD)
  })
  const lift = (event: PointerEvent): void => {
    if (held) lifted = event.timeStamp
    held = false
  }
  document.addEventListener('pointerup', lift)
  document.addEventListener('pointercancel', lift)
  button.addEventListener('click', (event) => {
    if (!held && event.timeStamp - lifted > SAME_TAP) tap()
  })
  return {
    setEnabled(value) {
      if (enabled === value) return
      enabled = value
      update()
    },
  }
}
