"""The REST API: views parse, authorise, call one service and serialise. See docs/rest.md and ADR 0016."""
