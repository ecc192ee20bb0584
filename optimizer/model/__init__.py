"""Data types and value types. Pure: no input, no output, no clock, no environment."""
