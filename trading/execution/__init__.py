"""From a decision to a position: gate inputs, approvals, sagas, the book and its reconciliation."""
