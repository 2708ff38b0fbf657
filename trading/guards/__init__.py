"""What keeps a model from churning, of entries alone: the guards' facts, a person's pause, locks on symbols."""
