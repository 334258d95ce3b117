"""The values and vocabularies that all rooms share; this room imports no other."""
