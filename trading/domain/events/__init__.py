"""The published events: their types, fields and schemas, what may come in, and what people are told."""
