"""What may be set, its default and the reason for it."""
