"""RFC 8489, Session Traversal Utilities for NAT: the messages, and nothing of what TURN or ICE make of them."""
