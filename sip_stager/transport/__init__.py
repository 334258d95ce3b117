"""Sockets: UDP, and TCP with what TLS will need of it.  Bytes come in, bytes go out."""
