"""What the processes say of themselves: logs, metrics, traces."""
