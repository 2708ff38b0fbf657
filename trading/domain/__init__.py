"""Pure rules of trading: values in, values out; no database, no network, no clock, no randomness."""
