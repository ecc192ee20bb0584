"""Our drop-in of a Node service: variables of its environment, and directives. Text in, text out.

Source: systemd.exec(5), Environment=; systemd.unit(5) for specifiers; systemd.syntax(7) for quotes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from optimizer.resources.base import HEADER

_ENVIRONMENT = "Environment"


@dataclass(frozen=True)
class DropIn:
    """What our file sets: variables and directives, each by name, in the file's order."""

    variables: Mapping[str, str] = field(default_factory=dict)
    directives: Mapping[str, str] = field(default_factory=dict)

    def with_variable(self, name: str, text: str) -> DropIn:
        """Return it with one variable set; an empty text leaves the variable out."""
        kept = {key: value for key, value in self.variables.items() if key != name}
        return replace(self, variables={**self.variables, name: text} if text else kept)

    def with_directive(self, name: str, text: str) -> DropIn:
        """Return it with one directive set; an empty text leaves it out."""
        kept = {key: value for key, value in self.directives.items() if key != name}
        return replace(self, directives={**self.directives, name: text} if text else kept)

    def render(self) -> str:
        """Print the file."""
        lines = [f"{_ENVIRONMENT}={_quoted(*one)}\n" for one in self.variables.items()]
        lines += [f"{name}={value}\n" for name, value in self.directives.items()]
        return f"{HEADER}[Service]\n{''.join(lines)}"


def read(text: str) -> DropIn:
    """Read our file; what somebody else put into it besides is kept as far as it is plain."""
    drop_in = DropIn()
    for line in text.splitlines():
        key, sign, value = line.partition("=")
        if not sign or line[:1] in ("#", ";", "["):
            continue
        if key != _ENVIRONMENT:
            drop_in = drop_in.with_directive(key, value)
            continue
        name, _, assigned = _unquoted(value).partition("=")
        drop_in = replace(drop_in, variables={**drop_in.variables, name: assigned})
    return drop_in


def _quoted(name: str, text: str) -> str:
    escaped = f"{name}={text}".replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _unquoted(text: str) -> str:
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text.replace("%%", "%")
    plain, characters = "", iter(text[1:-1])
    for character in characters:
        plain += next(characters, "") if character == "\\" else character
    return plain.replace("%%", "%")
