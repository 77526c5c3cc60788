/* The screen stays on while the page is in front, until the show is over. A browser takes the lock away whenever the page
 * is hidden, and refuses it now and then (battery saver): it is asked for again whenever the page comes back or is touched. */

/** Answers with what lets go of it. */
export function keepScreenOn(): () => void {
  let lock: WakeLockSentinel | null = null
  let asking = false
  let over = false
  const ask = async (): Promise<void> => {
    if (!navigator.wakeLock || asking || over || (lock && !lock.released) || document.visibilityState !== 'visible') return
    asking = true
    lock = await navigator.wakeLock.request('screen').catch(() => null)
    asking = false
    if (over) void lock?.release()
  }
  document.addEventListener('visibilitychange', () => void ask())
  document.addEventListener('pointerdown', () => void ask())
  void ask()
  return () => {
    over = true
    void lock?.release()
  }
}
