"""Trunks: which sources may call, which numbers they dial and present, and which agent answers.

``admission.py`` decides on a new call with the rest of this room: ``called_number.py`` and
``caller_number.py`` read the numbers, from the fields that ``number_fields.py`` knows;
``phone_numbers.py`` brings them to E.164; ``mapping.py`` finds the agent, also among the
``platform_numbers.py``; ``budget.py`` limits the time for staging; ``variables.py`` fills the
agent's variables from ``placeholders.py``.
"""
