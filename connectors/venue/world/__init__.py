"""What there is to trade and every bar it will ever print: read from files, or made from a seed."""
