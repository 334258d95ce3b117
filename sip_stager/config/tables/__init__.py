"""The tables of the settings file: each key, its default, and the reason for it."""
