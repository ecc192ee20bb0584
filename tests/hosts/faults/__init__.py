"""Fault injection: a change that is cut off at each of its writes, on real hosts."""
