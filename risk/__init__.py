"""What stops an order: the gate and its limits, the risk book, the kill switch's flag, and all locks."""
