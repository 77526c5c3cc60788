/* A socket made of POST requests (protocol/signaling.md): what a page says first goes over the connection that brought the
 * page, and is answered while a WebSocket is still being opened. As much of a WebSocket as its owner uses. */

const NAME = 'Slidewire-Socket'
/** It is for the first moments; whoever is not on a WebSocket by then begins anew. */
const LASTS = 5000
const PATIENCE = 2000

export class Posts extends EventTarget {
  readyState = 1
  #name = ''
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
      const headers: HeadersInit = this.#name ? { [NAME]: this.#name } : {}
      const body = this.#unsaid.splice(0).join('\n')
      const answer = await fetch(this.url, { method: 'POST', headers, body, signal: AbortSignal.timeout(PATIENCE) })
      const said = await answer.text()
      if (!answer.ok) throw new Error(said)
      this.#name = answer.headers.get(NAME) ?? ''
      for (const data of said.split('\n')) if (data) this.#tell(new MessageEvent('message', { data }))
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
