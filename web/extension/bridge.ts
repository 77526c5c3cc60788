/* From the page to the extension. */

addEventListener('slidewire-leak-shield-made', () => {
  chrome.runtime.sendMessage({ made: true }).catch(() => undefined) // it was just updated or removed
})
