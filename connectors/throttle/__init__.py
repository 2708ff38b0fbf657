"""Rate limits and circuit breakers of the providers, shared by all processes that ask them."""
