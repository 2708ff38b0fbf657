"""What ends positions by itself or by a person's word: stops and targets kept at the broker, watched here, closing."""
