"""The values and vocabularies that every room shares; this room imports nothing of ours."""
