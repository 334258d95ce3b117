"""The voice platform's API: requests, replies, rate limit, agents and numbers."""
