"""The demo: the real proxy with a built-in caller, agent and API on one machine."""
