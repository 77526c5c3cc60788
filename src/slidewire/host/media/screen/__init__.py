"""What the host's screen shows, as video for presenters: looked at, compared, encoded once for many, and only if it
changed.

source (of host/desktop) → changes (did it?) → canvas (the colours and sizes encoders want) → encoder (one for each
codec and tier) → share (who gets which)
"""
