"""What an operator sees: metrics, logs, the ladder, the lag of the event loop."""
