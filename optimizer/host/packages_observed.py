"""From the answer of a probe to the packages it was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optimizer.model.packages import Candidate, Package


def packages(by_word: Mapping[str, Sequence[tuple[str, ...]]]) -> dict[str, Package]:
    """Read the lines about packages; by name."""
    return {name: _package(name, text, by_word) for name, text in by_word["package"]}


def _package(name: str, text: str, by_word: Mapping[str, Sequence[tuple[str, ...]]]) -> Package:
    rows = {
        word: [fields[1:] for fields in by_word[f"package-{word}"] if fields[0] == name]
        for word in ("left", "refused", "along")
    }
    return Package(
        name,
        text,
        left="; ".join(reason for (reason,) in rows["left"]),
        refused=", ".join(reason for (reason,) in rows["refused"]),
        along=tuple(Candidate(other, version, int(size)) for other, version, size in rows["along"]),
    )
