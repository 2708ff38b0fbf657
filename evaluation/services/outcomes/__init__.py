"""What came of decisions: noted when they are made, resolved when their sessions have passed."""
