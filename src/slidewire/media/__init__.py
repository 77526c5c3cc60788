"""Camera, microphone and screen on a peer connection of their own: encoded frames in, encoded frames out."""
