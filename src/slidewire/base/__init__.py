"""What has no theory of its own and does no I/O."""
