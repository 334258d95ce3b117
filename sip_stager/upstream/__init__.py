"""Where calls go on: for now, the look-up of names."""
