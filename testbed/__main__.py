"""Hosts by hand: `python3 -m testbed boot`, `check`, `build`, `clean`, `remove`."""

import argparse
import shlex
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

from testbed import debian, image, packages, selfcheck, slot
from testbed.commands import say
from testbed.errors import TestbedError
from testbed.host import Host
from testbed.nspawn import NspawnHost
from testbed.vm import VirtualHost


def main(argv: list[str] | None = None) -> int:
    """Carry out one command; the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except TestbedError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        # Hosts end with the process.
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m testbed", description="throw-away hosts")
    commands = parser.add_subparsers(required=True)
    boot = commands.add_parser("boot", help="boot hosts and keep them until Ctrl-C")
    boot.add_argument("names", nargs="*", default=["alpha"], metavar="NAME")
    boot.add_argument("--vm", action="store_true", help="virtual machines, not containers")
    boot.set_defaults(run=_boot)
    build = commands.add_parser("build", help="build what the first boot would build")
    build.add_argument("--vm", action="store_true", help="the image of the virtual machine too")
    build.set_defaults(run=_build)
    check = commands.add_parser("check", help="try whether hosts keep their promises here")
    check.add_argument("--vm", action="store_true", help="virtual machines, not containers")
    check.set_defaults(run=_check)
    for command in (boot, build, check):
        command.add_argument("--release", choices=debian.RELEASES, default=debian.RELEASES[0])
        command.add_argument("--package", action="append", default=[], help="of Debian, to add")
    clean = commands.add_parser("clean", help="remove what killed processes have left behind")
    clean.set_defaults(run=_clean)
    remove = commands.add_parser("remove", help="clean, and delete all built trees and images")
    remove.set_defaults(run=_remove)
    return parser


def _boot(arguments: argparse.Namespace) -> None:
    kind = _kind(arguments)
    hosts = [
        kind(name, release=arguments.release, packages=arguments.package)
        for name in arguments.names
    ]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda host: host.start(), hosts))
    for host in hosts:
        _introduce(host)
    say("Ctrl-C ends them")
    signal.pause()


def _introduce(host: Host) -> None:
    sys.stdout.write(f"{host.name}: {shlex.join(host.endpoint.argv())}\n")
    sys.stdout.flush()


def _build(arguments: argparse.Namespace) -> None:
    more = image.KERNEL_PACKAGES if arguments.vm else ()
    packages.ensure(_kind(arguments).needs)
    tree = debian.tree(arguments.release, (*arguments.package, *more))
    if arguments.vm:
        image.image(tree)


def _check(arguments: argparse.Namespace) -> None:
    selfcheck.check(_kind(arguments)(release=arguments.release, packages=arguments.package))


def _kind(arguments: argparse.Namespace) -> type[VirtualHost] | type[NspawnHost]:
    return VirtualHost if arguments.vm else NspawnHost


def _clean(_: argparse.Namespace) -> None:
    slot.sweep_all()


def _remove(_: argparse.Namespace) -> None:
    if slot.sweep_all():
        raise TestbedError("hosts are running on these trees")
    debian.remove()
    image.remove()


if __name__ == "__main__":
    sys.exit(main())
