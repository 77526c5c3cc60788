"""RTP and RTCP packets (RFC 3550, 4585, 8285): bytes to values and back, and sequence-number arithmetic. No streams."""
