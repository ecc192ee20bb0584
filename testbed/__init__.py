"""Real throw-away hosts for tests and demos.

A host is either a container (`testbed.nspawn.NspawnHost`: Debian with its own systemd, network and
sshd, up in a second or two) or a virtual machine (`testbed.vm.VirtualHost`: the same system with a
kernel of its own).  Both are reached over SSH only, can be rebooted, lose their power and lose
their network, and leave nothing behind when they stop.  Needs root on Debian or Ubuntu; uses the
standard library only, so it runs before any virtual environment exists.

Environment: `OPTIMIZER_TESTBED` is the folder of built trees, images and running hosts' disks
(default: see `paths`), `OPTIMIZER_TESTBED_MIRROR` a Debian mirror (default: the one that this
machine's apt uses), `OPTIMIZER_TESTBED_NET` the first two numbers of the containers' addresses.
"""
