"""The checks across tables: inconsistencies, contradictions, warnings and placeholders."""
