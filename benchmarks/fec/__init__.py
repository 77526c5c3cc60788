"""What forward error correction leaves lost, what it costs, and the search for the masks that ship."""
