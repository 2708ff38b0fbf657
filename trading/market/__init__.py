"""What is known of the market: assets, prices, bars, headlines, its time and calendar, and the universe."""
