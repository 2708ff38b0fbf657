"""Ask recorded decisions again: of another model, in other words, under other limits; and show what would differ."""
