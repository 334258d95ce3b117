"""Construction of the rooms from the settings, whose values the core sees only through here."""
