"""SSH keys: one that logs in to every host, and one of each host's own."""

from dataclasses import dataclass
from pathlib import Path

from testbed.commands import run
from testbed.locks import locked
from testbed.paths import cache


@dataclass(frozen=True)
class Key:
    """A key pair on disk; the public half is beside the private one, with `.pub`."""

    private: Path

    @property
    def public(self) -> str:
        """The public half: type, key and comment, in one line."""
        return self.private.with_suffix(".pub").read_text().strip()


def user_key() -> Key:
    """The key that all users of all hosts accept; made once per cache."""
    path = cache() / "user_key"
    with locked(cache() / "user_key.lock"):
        if not path.with_suffix(".pub").is_file():
            path.unlink(missing_ok=True)
            return new_key(path, "testbed")
    return Key(path)


def new_key(path: Path, comment: str) -> Key:
    """Make a key pair without passphrase at `path`."""
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])
    return Key(path)
