"""One call's staging with the voice platform: whatever comes of it, the outcome is a value."""
