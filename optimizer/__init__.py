"""Tune the hosts that trading systems run on: plan, apply, verify, score, roll back."""

__version__ = "0.1.0"
