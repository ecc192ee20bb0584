"""How a memory budget is shown: with --explain only, and one table for hosts that share it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from optimizer.model.plan import BudgetLine, Plan
from optimizer.planning.budget import share_out
from optimizer.planning.division import Cluster, Host, Server
from optimizer.planning.postgresql_sizes import Demand
from optimizer.views import budget, plan
from optimizer.views.text import Asked, Look
from tests.unit import view_samples as samples
from tests.unit.conftest import Golden

PAGE = Path(__file__).parents[2] / "docs" / "memory.md"
LOOK = Look()
EXPLAINED = replace(LOOK, show_why=True)
ASKED = Asked(inventory="inventories/prod.py", profile="hft")


def lines(ram: int = 4 * 2**30) -> tuple[BudgetLine, ...]:
    """Share out the memory of a host with one of everything, too small for its connections."""
    host = Host(
        ram,
        frozenset({"node"}),
        clusters=(Cluster("5432", Demand(100, 2, 17)),),
        redis=(Server("6379"), Server("6380", 2**28)),
    )
    return share_out(host).lines


def shown(look: Look, *rams: int) -> list[str]:
    """Return the plan of hosts that differ in nothing but their memory."""
    hosts = [
        samples.host(f"db-{at}", budget=lines(ram * 2**30), changes=(samples.SWAPPINESS,))
        for at, ram in enumerate(rams)
    ]
    return plan.render(Plan(profile=samples.PROFILE, hosts=tuple(hosts)), look, ASKED)


def test_the_table(golden: Golden) -> None:
    golden("plan-budget.txt", shown(replace(EXPLAINED, width=110), 4))


def test_a_narrow_table(golden: Golden) -> None:
    golden("plan-budget-narrow.txt", budget.render(lines(), LOOK))


def test_it_is_shown_with_the_reasons_only() -> None:
    assert not [line for line in shown(LOOK, 4) if "memory" in line]


def test_hosts_with_another_budget_are_shown_apart_with_the_reasons_only() -> None:
    assert len([line for line in shown(LOOK, 4, 4, 8) if line.startswith("db-")]) == 1
    heads = [line.split("   ")[0] for line in shown(EXPLAINED, 4, 4, 8) if line[:3] == "db-"]
    assert heads == ["db-[0-1]", "db-2"]


def test_nothing_is_shown_where_nothing_shares() -> None:
    assert budget.render((), LOOK) == []


def test_the_document_has_it_always() -> None:
    [host] = Plan(
        profile=samples.PROFILE, hosts=(samples.host("db-1", budget=lines()),)
    ).model_dump(mode="json")["hosts"]
    assert sum(line["bytes"] for line in host["budget"]) == 4 * 2**30


def test_the_table_in_the_documentation_is_the_one_that_is_printed() -> None:
    cluster = Cluster("5432", Demand(100, 8, 17))
    host = Host(2**34, frozenset({"node"}), clusters=(cluster,), redis=(Server("6379"),))
    table = budget.render(share_out(host).lines, replace(LOOK, width=100))
    assert "\n".join(table) in PAGE.read_text(encoding="utf-8")
