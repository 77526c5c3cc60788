/* In the page itself: says that it made a peer connection. It hides nothing and keeps nothing back. */

const Plain = globalThis.RTCPeerConnection
if (Plain) {
  globalThis.RTCPeerConnection = new Proxy(Plain, {
    construct(target, given, self) {
      dispatchEvent(new CustomEvent('slidewire-leak-shield-made'))
      return Reflect.construct(target, given, self) as object
    },
  })
}
