"""What a person does to decisions and orders that are under way."""
