"""Events to and from other programs and people: outbox, relay, consumers, dead letters, notices."""
