"""Conformance and health, worked out from verdicts. Pure."""
