"""Loading: from a settings file to settings, or to the list of all mistakes in it."""
