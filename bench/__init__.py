"""`make bench`: what a plan, an apply and a start cost, beside plain pyinfra in the same run.

Hosts are throw-away containers of `testbed`; without root only the start is measured.
"""
