"""What is wanted for what is held, and whether it is seen to: theses, and which orders protect a position."""
