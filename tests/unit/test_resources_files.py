"""The files that resource kinds write: read back they say the same, and others are kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from optimizer.model.transaction import DirectoryStep, FileRef, FileStep, LinkStep
from optimizer.resources import journald, kernel_module, sysctl, sysfs, unit
from optimizer.resources.base import (
    DAEMON_RELOAD,
    Artifact,
    decode_blobs,
    encode_blobs,
    missing_directories,
    write_link,
    write_text,
)
from tests.unit.factories import file_state, observation

# Texts that value types let through: printable, blanks squeezed.
WORDS = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\"'\\$`"),
    min_size=1,
    max_size=8,
)
TEXTS = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)
KEYS = st.text("abcxyz019_.-/", min_size=1, max_size=12)
DIRECTIVES = st.text("ABCabcxyz", min_size=1, max_size=12)
PATHS = st.text("abc019%:*-/", min_size=1, max_size=12).map("/sys/{}".format)


@given(st.dictionaries(KEYS, TEXTS))
def test_our_sysctl_file_reads_back_in_its_order(values: dict[str, str]) -> None:
    assert list(sysctl.own_values(sysctl.render(values)).items()) == list(values.items())


@given(st.dictionaries(DIRECTIVES, TEXTS), st.sampled_from(["Service", "Slice", "Journal"]))
def test_our_drop_in_reads_back_in_its_order(values: dict[str, str], section: str) -> None:
    text = unit.render(values, section)
    assert f"\n[{section}]\n" in text
    assert list(unit.own_values(text).items()) == list(values.items())


@given(st.dictionaries(PATHS, TEXTS))
def test_our_unit_for_sysfs_reads_back_in_its_order(values: dict[str, str]) -> None:
    assert list(sysfs.own_values(sysfs.render(values)).items()) == list(values.items())


def test_every_file_of_ours_says_whose_it_is() -> None:
    texts = [sysctl.render({}), unit.render({}), sysfs.render({}),
             unit.render({}, "Journal"), kernel_module_text()]  # fmt: skip
    assert all(text.startswith("# Written by the host optimizer.") for text in texts)


def kernel_module_text() -> str:
    [content] = kernel_module.keep(["tcp_bbr"], observation()).blobs.values()
    return content.decode()


def test_percent_signs_are_not_specifiers_of_systemd() -> None:
    assert "100%%" in sysfs.render({"/sys/a": "100%"})


def test_the_unit_has_sysctl_d_read_again_for_what_its_values_reset() -> None:
    """systemd-sysctl writes nothing that is there already, and so left it to be reset."""
    huge_pages = "/sys/kernel/mm/transparent_hugepage/enabled"
    lines = sysfs.render({huge_pages: "never", "/sys/a": "1"}).splitlines()
    again = "ExecStartPost=-/lib/systemd/systemd-sysctl --prefix=/vm/min_free_kbytes"
    assert lines.index(again) > max(
        number for number, line in enumerate(lines) if line.startswith("ExecStart=")
    )
    assert "ExecStartPost" not in sysfs.render({"/sys/a": "1"})


def test_modules_that_our_file_has_are_kept() -> None:
    files = {kernel_module.FILE: file_state(b"# ours\ntcp_bbr\n")}
    [new] = set(kernel_module.keep(["sch_fq"], observation(files=files)).blobs.values()) - {
        files[kernel_module.FILE].content
    }
    assert new.decode().splitlines()[1:] == ["tcp_bbr", "sch_fq"]


def test_a_module_is_asked_for_with_the_option_that_builds_it_in() -> None:
    names = [kernel_module.probe_name(name) for name in ("tcp_bbr", "sch_fq_codel", "nvme")]
    assert names == ["tcp_bbr:TCP_CONG_BBR", "sch_fq_codel:NET_SCH_FQ_CODEL", "nvme:NVME"]


@given(st.dictionaries(st.text("0123456789abcdef", min_size=1), st.binary()))
def test_bytes_survive_json(blobs: dict[str, bytes]) -> None:
    assert decode_blobs(encode_blobs(blobs)) == blobs


def test_a_new_file_comes_with_the_directories_it_lacks() -> None:
    seen = observation(directories=frozenset({"/etc"}))
    artifact = write_text("/etc/a/b/c.conf", "x\n", seen)
    assert [type(step) for step in artifact.steps] == [DirectoryStep, DirectoryStep, FileStep]
    assert [getattr(step, "path", "") for step in artifact.steps] == [
        "/etc/a", "/etc/a/b", "/etc/a/b/c.conf",
    ]  # fmt: skip
    [change] = artifact.files
    assert (change.action, change.diff.splitlines()[-1]) == ("create", "+x")
    assert list(artifact.blobs.values()) == [b"x\n"]


def test_directories_above_one_that_is_there_are_there() -> None:
    seen = observation(directories=frozenset({"/etc/systemd/system/multi-user.target.wants"}))
    assert missing_directories("/etc/systemd/system/a.service", seen) == ()
    assert missing_directories("/a/b", observation()) == (DirectoryStep(path="/a"),)
    assert missing_directories("/a", observation()) == ()


def test_a_file_that_is_right_is_left_alone() -> None:
    seen = observation(files={"/etc/a": file_state(b"x\n")})
    assert write_text("/etc/a", "x\n", seen) == Artifact(blobs={})


def test_a_file_with_the_wrong_mode_or_owner_is_written_again() -> None:
    for state in (file_state(b"x\n", mode="666"), file_state(b"x\n", owner="1000:0")):
        artifact = write_text("/etc/a", "x\n", observation(files={"/etc/a": state}))
        step = artifact.steps[-1]
        assert isinstance(step, FileStep)
        assert step.before == FileRef(sha256=state.sha256, mode=state.mode, owner=state.owner)
        assert step.after == FileRef(sha256=state.sha256, mode="644", owner="0:0")


def test_a_file_that_is_replaced_keeps_its_old_bytes_for_the_way_back() -> None:
    old = file_state(b"\xff old\n", mode="600", owner="0:4")
    artifact = write_text("/etc/a", "new\n", observation(files={"/etc/a": old}))
    assert set(artifact.blobs.values()) == {b"\xff old\n", b"new\n"}
    assert artifact.files[0].action == "modify"


def test_a_link_is_made_changed_and_left_alone() -> None:
    bare = observation(directories=frozenset({"/etc"}))
    assert write_link("/etc/l", "/t", bare).steps == (
        LinkStep(path="/etc/l", before=None, after="/t"),
    )
    other = observation(links={"/etc/l": "/o"}, directories=frozenset({"/etc"}))
    assert write_link("/etc/l", "/t", other).steps == (
        LinkStep(path="/etc/l", before="/o", after="/t"),
    )
    assert write_link("/etc/l", "/t", observation(links={"/etc/l": "/t"})).steps == ()


def test_a_step_that_two_artifacts_need_is_taken_once() -> None:
    one = Artifact((DirectoryStep(path="/d"), DAEMON_RELOAD), blobs={"a": b"1"})
    two = Artifact((DirectoryStep(path="/d"), DAEMON_RELOAD), blobs={"b": b"2"})
    joined = Artifact.joined([one, two])
    assert joined.steps == (DirectoryStep(path="/d"), DAEMON_RELOAD)
    assert joined.blobs == {"a": b"1", "b": b"2"}


def test_our_names_sort_behind_those_of_people_and_packages() -> None:
    assert sysctl.FILE.rpartition("/")[2] > "99-sysctl.conf"
    assert unit.DROP_IN.rpartition("/")[2] > "override.conf"
    assert journald.FILE.rpartition("/")[2] > "override.conf"
