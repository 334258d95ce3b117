"""Fakes of the ports, and peers that talk to the core without a network."""
