"""What contradicts itself in the settings, and what is doubtful."""
