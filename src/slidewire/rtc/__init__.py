"""Peer connections behind one small interface. Only this package knows the WebRTC library."""
