/* The screen stays on while the page is in front. A browser takes the lock away whenever the page is hidden, and refuses
 * it now and then (battery saver): it is asked for again whenever the page comes back or is touched. */

export function keepScreenOn(): void {
  let lock: WakeLockSentinel | null = null
  let asking = false
  const ask = async (): Promise<void> => {
    if (!navigator.wakeLock || asking || (lock && !lock.released) || document.visibilityState !== 'visible') return
    asking = true
    lock = await navigator.wakeLock.request('screen').catch(() => null)
    asking = false
  }
  document.addEventListener('visibilitychange', () => void ask())
  document.addEventListener('pointerdown', () => void ask())
  void ask()
}
