from __future__ import annotations

import json as stdlib_json
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import BaseModel

from optimizer.catalog import TUNABLES
from optimizer.model.errors import UnknownProfile
from optimizer.model.plan import Plan
from optimizer.model.profile import Constraint, Profile, Setting, Wanted
from optimizer.views import json
from optimizer.views.documents import profile_result, tunable_result
from optimizer.views.errors import failure
from tests.unit import view_samples as samples

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
SWAPPINESS = TUNABLES["system.sysctl.vm.swappiness"]
PROFILE = Profile(
    name="mine",
    version=2,
    summary="A test.",
    extends=("production",),
    settings={
        SWAPPINESS.id: Setting(
            SWAPPINESS, (Wanted(Constraint.AT_MOST, "10", {"storage": "ssd"}, "why"),), "mine:3"
        )
    },
    digest="d",
)


def test_the_schemas_in_the_docs_are_those_of_the_models() -> None:
    kept = {path.name: path.read_text(encoding="utf-8") for path in SCHEMAS.glob("*.json")}
    assert kept == json.schemas(), "run: python -m optimizer.views.json"


def test_a_plan_survives_being_saved() -> None:
    text = json.text(samples.ONE_HOST)
    again = Plan.model_validate_json(text)
    assert again == samples.ONE_HOST
    assert again.content_id() == samples.ONE_HOST.id


@pytest.mark.parametrize(
    "document",
    [
        samples.ONE_HOST,
        samples.MIXED,
        samples.ROLLED_BACK,
        samples.VERIFIED,
        samples.SCORED_FLEET,
        samples.SNAPSHOTS,
        samples.DIAGNOSED,
        json.error_document(failure(UnknownProfile(name="x"))),
        profile_result([PROFILE], is_whole=True),
        profile_result([], ["wrong"]),
        tunable_result(TUNABLES.values()),
    ],
    ids=lambda document: type(document).__name__,
)
def test_every_document_names_a_schema_that_is_kept(document: BaseModel) -> None:
    text = json.text(document)
    assert text.isascii()
    read = stdlib_json.loads(text)
    word, verb, version = read["schema"].split("/")
    assert word == "optimizer"
    schema = stdlib_json.loads((SCHEMAS / f"{verb}-{version}.json").read_text())
    assert set(read) == set(schema["properties"])


def test_a_list_of_profiles_leaves_the_settings_out() -> None:
    [listed] = profile_result([PROFILE], is_whole=False).profiles
    [whole] = profile_result([PROFILE], is_whole=True).profiles
    assert listed.settings == ()
    assert [one.tunable for one in whole.settings] == [SWAPPINESS.id]
    assert whole.settings[0].alternatives[0].when == {"storage": "ssd"}


def test_the_shares_of_a_profile_are_told() -> None:
    shared = replace(PROFILE, memory={"redis": 1, "postgresql": 6})
    [listed] = profile_result([shared], is_whole=False).profiles
    [whole] = profile_result([shared], is_whole=True).profiles
    assert (listed.memory, whole.memory) == ({}, {"postgresql": 6, "redis": 1})
