/* How loud a microphone is, twenty times a second, from 0 to 1. */

const EVERY = 50
/** What is shown falls slowly, so that words are seen as words. */
const FALL = 0.06
/** In decibels under full scale: the quietest that is shown. */
const QUIETEST = -60

/** Of samples between -1 and 1. */
export function loudness(samples: ArrayLike<number>): number {
  let sum = 0
  for (let index = 0; index < samples.length; index++) sum += (samples[index] ?? 0) ** 2
  const decibels = 10 * Math.log10(sum / Math.max(1, samples.length) || 1e-12)
  return Math.min(1, Math.max(0, 1 - decibels / QUIETEST))
}

export class LevelMeter {
  #context: AudioContext | null = null
  #source: MediaStreamAudioSourceNode | null = null
  #analyser: AnalyserNode | null = null
  #timer: ReturnType<typeof setInterval> | undefined
  #shown = 0

  constructor(private readonly show: (level: number) => void) {}

  /** Measures this track from now on, or nothing. */
  listen(track: MediaStreamTrack | null): void {
    clearInterval(this.#timer)
    this.#source?.disconnect()
    this.#source = null
    this.#shown = 0
    this.show(0)
    if (!track) {
      void this.#context?.close()
      this.#context = null
      return
    }
    try {
      const context = (this.#context ??= new AudioContext())
      void context.resume() // one that was made without a touch waits for this
      this.#analyser = context.createAnalyser()
      this.#analyser.fftSize = 1024
      this.#source = context.createMediaStreamSource(new MediaStream([track]))
      this.#source.connect(this.#analyser)
    } catch {
      return // no meter: the voice goes out all the same
    }
    const samples = new Float32Array(1024)
    this.#timer = setInterval(() => {
      this.#analyser?.getFloatTimeDomainData(samples)
      this.#shown = Math.max(loudness(samples), this.#shown - FALL)
      this.show(this.#shown)
    }, EVERY)
  }
}
