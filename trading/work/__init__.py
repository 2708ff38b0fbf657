"""What runs when, and who takes up what was lost: the sweeper, the guardian, maintenance, looks at the system."""
