"""What stops trading: the kill switch and what follows it, the sale of everything, the watchdog."""
