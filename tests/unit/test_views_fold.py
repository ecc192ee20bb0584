from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.views.fold import fold, unfold

_HOST = st.from_regex(r"(web|db|r1-n)-?0{0,2}[0-9]{1,3}(\.eu[12])?", fullmatch=True)
_ANY_NAME = st.text(alphabet='ab-01279.[], "\\') | st.text() | _HOST


@given(st.lists(_ANY_NAME))
def test_unfolding_gives_back_what_was_folded(names: list[str]) -> None:
    assert unfold(fold(names)) == sorted(set(names))


@pytest.mark.parametrize(
    ("names", "folded"),
    [
        ([], ""),
        (["db-1"], "db-1"),
        ([f"web-{at:03}" for at in range(1, 187)], "web-[001-186]"),
        (["web-9", "web-10", "web-11"], "web-[9-11]"),
        (["web-1", "web-2", "web-3", "web-7"], "web-[1-3,7]"),
        (["web-1", "web-01", "web-2"], "web-[1,01,2]"),
        (["web-09", "web-10"], "web-[09-10]"),
        (["web-98", "web-99", "web-100"], "web-[98-100]"),
        (["10.0.0.1", "10.0.0.2", "10.0.1.1"], "10.0.0.[1-2], 10.0.1.1"),
        (["web-1.eu1", "web-2.eu1", "db-1"], "db-1, web-[1-2].eu1"),
        (["web-2", "db-1", "web-10", "a"], "a, db-1, web-[2,10]"),
        (["@local"], "@local"),
        (["a[1]", "b,c"], '"a[1]", "b,c"'),
    ],
)
def test_folding_reads_well(names: list[str], folded: str) -> None:
    assert fold(names) == folded


def test_a_number_of_any_length_is_folded() -> None:
    names = ["web-" + "9" * 5000, "web-" + "8" * 5000]
    assert unfold(fold(names)) == sorted(names)
