"""What an operator sees: metrics, logs, the ladder, the loop's lag."""
