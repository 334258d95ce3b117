"""The whole thing on one machine: a built-in caller, agent and staging API over real sockets."""
