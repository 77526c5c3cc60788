"""Forward error correction: repair packets from source packets, and source packets back from what arrived.

Two verbs. `protect(source_packets)` gives repair packets; `recover(received)` gives the source packets that were lost
and are known again. The words are RFC 6363's: source packet, repair packet, block.
"""
