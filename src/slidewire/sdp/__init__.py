"""SDP (RFC 8866) as far as WebRTC uses it (RFC 8829): text is read once into typed values, and written from them.

Whoever hands SDP or a candidate to a WebRTC library hands over what `write_description` or `Candidate.text` wrote,
never what somebody sent: two parsers of one text need not agree on where a line ends or what a number is.
"""
