"""Staging: a call is announced to the voice platform, and what came of it is a value."""
