"""From the answer of a probe to the Redis and Valkey servers of a host."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from optimizer.model.observation import ConfigLine, LinedFile, LiveValue, ValueState
from optimizer.model.redis import RedisInstance, parameter_path

Rows = Mapping[str, Sequence[tuple[str, ...]]]

# Three numbers for each class of clients; servers print a class by its old name.
_CLASSES = "client-output-buffer-limit"
_CLASS_NAMES = {"slave": "replica"}
_PER_CLASS = 4


def redis_instances(by_word: Rows) -> tuple[RedisInstance, ...]:
    """Put the lines about each server together; ValueError, KeyError for lines that are cut."""
    said: dict[str, dict[str, str]] = defaultdict(dict)
    for name, key, *value in by_word["redis"]:
        said[name][key] = "\t".join(value)
    states = lined_files(by_word["lined"])
    return tuple(_instance(name, facts, by_word, states) for name, facts in sorted(said.items()))


def _instance(
    name: str, facts: Mapping[str, str], by_word: Rows, states: Mapping[str, LinedFile]
) -> RedisInstance:
    return RedisInstance(
        name=name,
        address=facts.get("address", ""),
        problem=facts.get("problem", ""),
        unit=facts.get("unit", ""),
        config_file=facts.get("config_file", ""),
        config_state=states.get(facts.get("config_file", "")),
        include=facts.get("include", ""),
        config=by_class(
            {fields[1]: "\t".join(fields[2:]) for fields in _of(name, by_word, "config")}
        ),
        fixed=frozenset(fields[1] for fields in _of(name, by_word, "fixed")),
        unable={fields[1]: fields[2] for fields in _of(name, by_word, "unable")},
        info={fields[1]: "\t".join(fields[2:]) for fields in _of(name, by_word, "info")},
        keys=int(facts.get("keys", 0)),
        expiring=int(facts.get("expiring", 0)),
        lines=tuple(
            ConfigLine(fields[1], int(fields[2]), "\t".join(fields[3:]))
            for fields in _of(name, by_word, "line")
        ),
        arguments={fields[1]: fields[2] for fields in _of(name, by_word, "argument")},
        memory_max=_number(facts.get("memory_max", "")),
        is_elsewhere=facts.get("elsewhere") == "yes",
        open_files=_number(facts.get("open_files", "")),
        is_open=facts.get("is_open") == "yes",
        latency=facts.get("latency", ""),
        slow=_number(facts.get("slow", "")),
    )


def _of(name: str, by_word: Rows, word: str) -> list[tuple[str, ...]]:
    return [fields for fields in by_word[f"redis-{word}"] if fields[0] == name]


def lined_files(rows: Sequence[tuple[str, ...]]) -> dict[str, LinedFile]:
    """Read files with lines of ours, one row a line: path, `sha256 mode owner`, size, yes, line."""
    files: dict[str, LinedFile] = {}
    for path, described, size, is_there, *line in rows:
        sha256, mode, owner = described.split(" ")
        found = files[path].lines if path in files else frozenset()
        own = {"\t".join(line)} if is_there == "yes" else set()
        files[path] = LinedFile(sha256, mode, owner, int(size), found | own)
    return files


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def by_class(config: Mapping[str, str]) -> dict[str, str]:
    """Return parameters with one entry for each class of client-output-buffer-limit.

    An empty list of save points is written as the configuration file has it.
    """
    found = dict(config)
    words = found.pop(_CLASSES, "").split()
    for start in range(0, len(words) - _PER_CLASS + 1, _PER_CLASS):
        name, *limits = words[start : start + _PER_CLASS]
        found[f"{_CLASSES}.{_CLASS_NAMES.get(name, name)}"] = " ".join(limits)
    if found.get("save") == "":
        found["save"] = '""'
    return found


def info_of(text: str) -> tuple[dict[str, str], int, int]:
    """Read the text of INFO: its fields, how many keys there are, how many of them expire."""
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    keys = expiring = 0
    for name, value in fields.items():
        if name.startswith("db") and value.startswith("keys="):
            counts = dict(part.split("=", 1) for part in value.split(","))
            keys += int(counts["keys"])
            expiring += int(counts["expires"])
    return fields, keys, expiring


def parameters(server: RedisInstance) -> Iterator[LiveValue]:
    """Return the parameters of a server as values, the way those of the kernel are."""
    state = ValueState.WRITABLE if server.can_change else ValueState.READ_ONLY
    for name, text in server.config.items():
        yield LiveValue(parameter_path(server.address, name), state, text)
