"""Sockets: SIP over UDP and TCP, the resolver, and errors of binding."""
