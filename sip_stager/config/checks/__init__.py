"""The checks across tables: inconsistencies, settings without effect, warnings and placeholders."""
