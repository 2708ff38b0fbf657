"""The market at a moment: the replay clock, its calendar, prices and bars; never anything later."""
