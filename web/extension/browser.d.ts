/* As much of the WebExtensions interface as is used here. Chromium and Firefox have all of it under the same names. */

interface Listeners<F> {
  addListener(listener: F): void
}

interface Tab {
  id?: number
  url?: string
  active: boolean
}

interface MessageSender {
  tab?: Tab
}

declare const chrome: {
  privacy: {
    network: {
      webRTCIPHandlingPolicy: {
        get(details: object): Promise<{ value: string; levelOfControl: string }>
        set(details: { value: string }): Promise<void>
        onChange: Listeners<() => void>
      }
    }
  }
  storage: {
    local: { get(names: string[]): Promise<{ [name: string]: unknown }>; set(values: object): Promise<void> }
    session: { get(names: string[]): Promise<{ [name: string]: unknown }>; set(values: object): Promise<void> }
    onChanged: Listeners<(changes: object, area: string) => void>
  }
  tabs: {
    query(about: { active?: boolean; currentWindow?: boolean }): Promise<Tab[]>
    onActivated: Listeners<() => void>
    onUpdated: Listeners<(id: number, change: { url?: string; status?: string }) => void>
    onRemoved: Listeners<(id: number) => void>
    reload(id: number): Promise<void>
  }
  windows: { onFocusChanged: Listeners<() => void> }
  scripting: {
    getRegisteredContentScripts(): Promise<{ id: string }[]>
    registerContentScripts(scripts: object[]): Promise<void>
    unregisterContentScripts(about?: { ids: string[] }): Promise<void>
  }
  action: {
    setBadgeText(details: { text: string; tabId?: number }): Promise<void>
    setBadgeBackgroundColor(details: { color: string }): Promise<void>
  }
  runtime: {
    sendMessage(message: object): Promise<unknown>
    onMessage: Listeners<(message: unknown, sender: MessageSender) => void>
    onInstalled: Listeners<() => void>
    onStartup: Listeners<() => void>
  }
}
