"""What trading earned: lots and round trips, the comparison with the broker's account, figures and reports."""
