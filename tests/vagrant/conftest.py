"""The project's own Vagrantfile and inventory, with a box and a libvirt made for the test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed import box, packages
from testbed.libvirt import Libvirt
from testbed.vm import has_kvm
from tests.vagrant.workshop import Workshop

_PROJECT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """A copy of the Vagrantfile with the inventories, whose hosts run."""
    if os.geteuid() != 0:
        pytest.skip("libvirt with a network of its own needs root")
    packages.ensure(packages.VAGRANT)
    folder = tmp_path_factory.mktemp("vagrant")
    shutil.copy(_PROJECT / "Vagrantfile", folder)
    shutil.copytree(_PROJECT / "inventories", folder / "inventories")
    packed = folder / "testbed.box"
    box.pack(packed)
    with Libvirt() as libvirt:
        made = Workshop(folder, libvirt, "kvm" if has_kvm() else "qemu")
        made.vagrant("box", "add", "--name", made.box, str(packed))
        packed.unlink()
        made.vagrant("up")
        try:
            yield made
        finally:
            made.vagrant("destroy", "--force")
