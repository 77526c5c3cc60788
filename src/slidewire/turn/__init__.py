"""RFC 8656, Traversal Using Relays around NAT: the protocol core, without sockets, clocks or randomness.

Left out on purpose: DTLS clients, TCP relays (RFC 6062), mobility (RFC 8016), OAuth (RFC 7635) and behaviour discovery
(RFC 5780). No browser uses them, and each has been a vulnerability of some server.
docs/conformance/turn.md has the rest.
"""
