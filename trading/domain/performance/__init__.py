"""Profit and loss: lots and their closes, the figures of a curve, and what explains a change of equity."""
