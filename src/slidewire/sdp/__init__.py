"""SDP (RFC 8866) as far as WebRTC uses it (RFC 8829): text is read once into typed values, and written from them.

A WebRTC library is given SDP and candidates that `write_description` or `Candidate.text` wrote, never those that a peer
sent: two parsers of one text need not agree on where a line ends or what a number is.
"""
