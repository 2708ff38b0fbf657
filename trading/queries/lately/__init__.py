"""What happened lately, told to whoever looks."""
