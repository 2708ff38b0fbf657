"""What the venue answers over HTTP, in its providers' words."""
