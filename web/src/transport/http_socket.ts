/* A socket made of POST requests (protocol/signaling.md): what a page says first goes over the connection that brought the
 * page, and is answered while a WebSocket is still being opened. As much of a WebSocket as its owner uses. */

const NAME = 'Slidewire-Socket'
/** It is for the first moments: should a request hang, the WebSocket waits no longer. */
const LASTS = 3000

export class HttpSocket extends EventTarget {
  readyState = 1
  #headers: HeadersInit = {}
  #unsaid: string[] = []
  #asking = false

  constructor(private readonly url: string) {
    super()
    queueMicrotask(() => this.#tell(new Event('open')))
    setTimeout(() => this.#lose(), LASTS)
  }

  send(text: string): void {
    this.#unsaid.push(text)
    queueMicrotask(() => void this.#ask()) // what is said in one go goes in one request
  }

  close(): void {
    this.readyState = 3
  }

  async #ask(): Promise<void> {
    if (this.#asking || !this.#unsaid.length || this.readyState !== 1) return
    this.#asking = true
    try {
      const body = this.#unsaid.splice(0).join('\n')
      const answer = await fetch(this.url, { method: 'POST', headers: this.#headers, body })
      if (!answer.ok) throw answer
      this.#headers = { [NAME]: answer.headers.get(NAME) ?? '' }
      for (const data of (await answer.text()).split('\n')) if (data) this.#tell(new MessageEvent('message', { data }))
      this.#asking = false
      void this.#ask()
    } catch {
      this.#lose()
    }
  }

  #lose(): void {
    this.#tell(new Event('close'))
    this.close()
  }

  #tell(event: Event): void {
    if (this.readyState === 1) this.dispatchEvent(event)
  }
}
