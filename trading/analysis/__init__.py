"""From what was fetched to decisions: questions, answers, records, strategies, candidates, proposals."""
