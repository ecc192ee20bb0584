"""Log sets: canonical text, the file made from it, and the way back."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from optimizer.model.errors import InvalidValue
from optimizer.model.logset import HEADER, LogSet, LogSetValue, flatten, parse, render

TITAN = LogSetValue("titan")
PATH = "/var/log/titan/*.log"
DEFAULTS = (
    f"{PATH}; daily; rotate 14; maxsize 100M; maxage 30; compress; delaycompress; missingok; "
    "notifempty; sharedscripts"
)

NAMES = st.from_regex(r"[a-z][a-z0-9._-]{0,10}", fullmatch=True).filter(
    lambda name: ".." not in name
)
PATHS = st.builds(
    lambda folders, glob, last: "/" + "/".join([*folders, f"{glob}{last}.log"]),
    st.lists(NAMES, min_size=1, max_size=3).map(lambda folders: ["srv", *folders]),
    st.sampled_from(["", "*", "a?"]),
    NAMES,
)
COMMANDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
SIZES = st.builds(lambda n, unit: f"{n}{unit}", st.integers(1, 9999), st.sampled_from(" kMG"))
LOG_SETS = st.fixed_dictionaries(
    {"paths": st.lists(PATHS, min_size=1, max_size=3, unique=True)},
    optional={
        "frequency": st.sampled_from(["hourly", "daily", "weekly", "monthly"]),
        "rotate": st.integers(1, 1000).map(str),
        "maxsize": SIZES,
        "maxage": st.integers(1, 1000).map(str),
        "compress": st.sampled_from(["yes", "no", "true", "off"]),
        "su": st.sampled_from(["", "titan titan", "root adm"]),
        "create": st.sampled_from(["", "0640 titan titan", "600 root root"]),
        "postrotate": COMMANDS,
    },
)


def canonical(**parts: object) -> str:
    return TITAN.canonical(json.dumps({"paths": [PATH], **parts}))


def test_what_is_not_given_has_a_default() -> None:
    assert canonical() == DEFAULTS
    assert TITAN.canonical(json.dumps({"paths": PATH})) == DEFAULTS


def test_every_part_has_its_place() -> None:
    text = canonical(
        paths=[PATH, "/srv/titan/audit.log"],
        frequency="weekly",
        rotate="7",
        maxsize="1 GiB",
        maxage="90",
        compress="no",
        su="titan titan",
        create="640 titan adm",
        postrotate="systemctl kill -s HUP titan.service",
    )
    assert text == (
        f"{PATH} /srv/titan/audit.log; weekly; rotate 7; maxsize 1G; maxage 90; nocompress; "
        "missingok; notifempty; sharedscripts; su titan titan; create 0640 titan adm; "
        "postrotate systemctl kill -s HUP titan.service"
    )


def test_the_file_is_a_stanza_whose_command_cannot_stop_the_rotation() -> None:
    text = canonical(su="titan titan", postrotate="systemctl kill -s HUP titan.service")
    assert render(text) == (
        f"{HEADER}\n"
        "/var/log/titan/*.log {\n"
        "    daily\n"
        "    rotate 14\n"
        "    maxsize 100M\n"
        "    maxage 30\n"
        "    compress\n"
        "    delaycompress\n"
        "    missingok\n"
        "    notifempty\n"
        "    sharedscripts\n"
        "    su titan titan\n"
        "    postrotate\n"
        "        systemctl kill -s HUP titan.service || true\n"
        "    endscript\n"
        "}\n"
    )
    assert HEADER.startswith("# ")
    assert "optimizer" in HEADER


@given(LOG_SETS)
def test_a_log_set_reads_back_from_its_text_and_from_its_file(
    given_parts: dict[str, object],
) -> None:
    try:
        text = TITAN.canonical(json.dumps(given_parts))
    except InvalidValue as error:
        assume("postrotate" not in str(error))
        raise
    assert TITAN.canonical(text) == text
    assert parse("titan", text).canonical == text
    assert flatten(render(text)) == text
    assert "\n" not in text


def test_a_canonical_text_says_what_the_log_set_is() -> None:
    text = canonical(compress="no", su="titan adm", postrotate="true; su root root; true")
    assert parse("titan", text) == LogSet(
        name="titan",
        paths=(PATH,),
        compress=False,
        su="titan adm",
        postrotate="true; su root root; true",
    )


@pytest.mark.parametrize(
    ("size", "written"),
    [("100M", "100M"), ("1024k", "1M"), ("1536 KiB", "1536k"), ("1.5G", "1536M"), ("1000", "1000")],
)
def test_a_size_is_written_with_the_unit_that_fits(size: str, written: str) -> None:
    assert f"; maxsize {written}; " in canonical(maxsize=size)


@pytest.mark.parametrize(
    "path",
    [
        "var/log/a.log",
        "",
        "/",
        "/a.log",
        "/var/log/a b.log",
        "/var/log/../../etc/passwd",
        "/var/./a.log",
        "/var//a.log",
        "/*/a.log",
        "/var/*/x/y/a.log",
        "/var/log/a.log\n/etc/shadow",
        "/var/log/$(reboot).log",
        "/var/log/`reboot`.log",
        "/var/log/a;b.log",
        "/var/log/{a,b}.log",
        '/var/log/"a.log',
        "/var/log/a.log {",
        "/etc/passwd",
        "/proc/kmsg",
        "/var/log/titan/*",
        "/var/log/titan/*.log*",
        "/var/log/titan/a.log.?",
    ],
)
def test_a_path_that_is_unsafe_or_unclear_is_refused(path: str) -> None:
    with pytest.raises(InvalidValue, match=r"^log set titan: paths: "):
        canonical(paths=[path])


@pytest.mark.parametrize("path", ["/var/log/*/*.log", "/var/log/*/a-?.log", "/srv/x/a_b@1.log"])
def test_a_path_may_have_wildcards_in_its_last_two_parts(path: str) -> None:
    assert canonical(paths=[path]).startswith(f"{path}; ")


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ({"paths": []}, "paths: at least one path"),
        ({"paths": {}}, "paths: at least one path"),
        ({"paths": [["/a/b.log"]]}, "paths: .* is not a text"),
        ({"paths": [PATH, PATH]}, "paths: a path is there twice"),
        ({"path": PATH}, "'path' is not known here"),
        ({"frequency": "yearly"}, "frequency: 'yearly' is not one of"),
        ({"rotate": "0"}, "rotate: 0 is out of range"),
        ({"rotate": "many"}, "rotate: 'many' is not a whole number"),
        ({"maxsize": "0"}, "maxsize: 0 is out of range"),
        ({"maxsize": "100 X"}, "maxsize: '100 X' is not a number of bytes"),
        ({"maxsize": "2048 TiB"}, "maxsize: 2048 TiB is out of range"),
        ({"maxage": "0"}, "maxage: 0 is out of range"),
        ({"maxage": 1.5}, "maxage: 1.5 is not a text"),
        ({"compress": "perhaps"}, "compress: 'perhaps' is not one of"),
        ({"su": "titan"}, "su: 'titan' is not a user and a group"),
        ({"su": "titan titan; rotate 0"}, "su: .* is not a user and a group"),
        ({"su": "titan\ntitan"}, "su: .* has a line break"),
        ({"create": "0640"}, "create: .* is not a mode, a user and a group"),
        ({"create": "0666 titan titan"}, "create: .* is not a mode"),
        ({"create": "0755 titan titan"}, "create: .* is not a mode"),
        ({"postrotate": "a\nb"}, "postrotate: .* is not one line"),
        ({"postrotate": "a\tb"}, "postrotate: .* is not one line"),
        ({"postrotate": "echo é"}, "postrotate: .* is not one line"),
        ({"postrotate": "endscript"}, "postrotate: .* is not a complete command"),
        ({"postrotate": "true &"}, "postrotate: .* is not a complete command"),
        ({"postrotate": "true;"}, "postrotate: .* is not a complete command"),
        ({"postrotate": "true |"}, "postrotate: .* is not a complete command"),
        ({"postrotate": "true \\"}, "postrotate: .* is not a complete command"),
        ({"postrotate": "echo 'a"}, "postrotate: .* ends inside a quotation"),
        ({"postrotate": "false # reload"}, "postrotate: .* could stop the rotation"),
        ({"postrotate": "exit 1"}, "postrotate: .* could stop the rotation"),
        ({"postrotate": "true; exec false"}, "postrotate: .* could stop the rotation"),
        ({"postrotate": ["true"]}, "postrotate: .* is not a text"),
    ],
)
def test_a_part_that_is_wrong_is_named(parts: dict[str, object], what: str) -> None:
    with pytest.raises(InvalidValue, match=f"^log set titan: {what}"):
        canonical(**parts)


def test_a_mistyped_part_is_answered_with_the_nearest() -> None:
    with pytest.raises(InvalidValue) as error:
        canonical(postrotat="true")
    assert error.value.hint == "Did you mean postrotate?"


def test_a_guard_that_is_already_there_is_not_doubled() -> None:
    assert canonical(postrotate="reload || true") == canonical(postrotate="reload")


@pytest.mark.parametrize("text", ["{", "{}x", '{"a":' * 3000, "[]", "", "5", "daily", "no; daily"])
def test_what_is_no_log_set_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        TITAN.canonical(text)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("    missingok\n", ""),
        ("    rotate 14\n", "    rotate 14\n    copytruncate\n"),
        ("rotate 14", "rotate 7"),
        ("compress", "nocompress"),
        (" || true", ""),
        ("    endscript\n", ""),
        ("}\n", ""),
        ("}\n", "}\n/var/log/other.log {\n}\n"),
        ("        reload", "        cleanup\n        reload"),
        (" {\n", "\n"),
        ("daily\n", "daily\r\n"),
    ],
)
def test_an_edited_file_is_not_taken_for_ours(ours: str, theirs: str) -> None:
    text = canonical(postrotate="reload")
    edited = render(text).replace(ours, theirs)
    assert edited != render(text)
    assert flatten(edited) != text
    assert flatten(edited).isprintable()


def test_a_number_that_was_edited_is_seen_in_the_text() -> None:
    text = canonical(postrotate="reload")
    assert flatten(render(text).replace("rotate 14", "rotate 7")) == text.replace(
        "rotate 14", "rotate 7"
    )


@pytest.mark.parametrize("missing", ["missingok; ", "notifempty; ", "; sharedscripts", "daily; "])
def test_a_text_that_lacks_a_directive_is_not_completed_in_silence(missing: str) -> None:
    with pytest.raises(InvalidValue, match="is not what we write"):
        TITAN.canonical(DEFAULTS.replace(missing, ""))


@given(st.text() | st.lists(st.sampled_from(render(DEFAULTS).split("\n"))).map("\n".join))
def test_any_file_flattens_to_one_line_and_only_ours_to_a_log_set(file_text: str) -> None:
    text = flatten(file_text)
    assert text.isprintable()
    try:
        value = TITAN.canonical(text)
    except InvalidValue:
        return
    lines = [line.strip(" \t") for line in file_text.split("\n")]
    wanted = [line.strip() for line in render(value).split("\n")]
    assert [line for line in lines if line and line[0] != "#"] == [
        line for line in wanted if line and line[0] != "#"
    ]


def test_a_log_set_has_no_order_and_takes_no_expression() -> None:
    with pytest.raises(InvalidValue, match="titan has no 'at least'"):
        TITAN.order(DEFAULTS)
    assert not TITAN.is_numeric
    assert TITAN.describe().startswith("a mapping of paths, ")
