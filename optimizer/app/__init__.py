"""The use cases: each takes a fleet (a port) and data, and returns data."""
