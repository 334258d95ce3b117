"""A fake of the voice platform's API, with the statuses, delays and faults of the real one."""
