/* In pages that may use relays only, while the browser's own policy may be looser for a page in front: every connection
 * is made with `iceTransportPolicy: relay`, whatever the page says. A page that knows of this finds ways around it (the
 * browser's policy, which holds whenever the page is in front, has none): see docs/design/privacy.md. */

const Held = globalThis.RTCPeerConnection
const relay = (given?: RTCConfiguration): RTCConfiguration => ({ ...given, iceTransportPolicy: 'relay' })

if (Held) {
  const set = Held.prototype.setConfiguration
  Held.prototype.setConfiguration = function (given?: RTCConfiguration): void {
    set.call(this, relay(given))
  }
  globalThis.RTCPeerConnection = new Proxy(Held, {
    construct: (target, [given, ...more], self) => Reflect.construct(target, [relay(given as RTCConfiguration), ...more], self) as object,
  })
}
