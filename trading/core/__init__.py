"""What every subject stands on: status changes, the event log, settings, providers, work items."""
