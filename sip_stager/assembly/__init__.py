"""What the settings make of each room: the one place where the core meets their values."""
