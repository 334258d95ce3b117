"""A small HTTP/1.1 client; it imports nothing else of this package."""
