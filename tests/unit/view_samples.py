"""Plans and results made by hand, with one of everything that a view can meet."""

from __future__ import annotations

from optimizer.model.plan import (
    Change,
    FileChange,
    HostPlan,
    Plan,
    ProfileRef,
    ScoreForecast,
    Skipped,
)
from optimizer.model.result import (
    ApplyResult,
    Diagnosis,
    DoctorResult,
    Drift,
    HealthCheck,
    HistoryResult,
    HostDiagnosis,
    HostOutcome,
    HostScore,
    HostVerdict,
    LostPoint,
    ModuleScore,
    Problem,
    RollbackResult,
    RunInfo,
    ScoreResult,
    SnapshotInfo,
    VerifyResult,
)
from optimizer.model.transaction import ActionStep, DirectoryStep, ModuleStep, ValueStep
from optimizer.model.tunable import Effect, Permission, Risk

PROFILE = ProfileRef(name="hft", version=3, digest="d1")
SUMMARY = "Debian 13 · 8 CPUs · 31.2 GiB · Linux 6.12"
SNAPSHOT = "4f1c9a27d3b05e6f" * 4


def change(name: str, before: str | None, after: str | None, **more: object) -> Change:
    """Make a live change of a sysctl whose boot value comes along."""
    values: dict[str, object] = {
        "tunable": f"system.sysctl.{name}",
        "module": "system",
        "kind": "sysctl",
        "before": before,
        "after": after,
        "boot_after": after,
        **more,
    }
    return Change.model_validate(values)


SOMAXCONN = change(
    "net.core.somaxconn",
    "128",
    "4096",
    effect=Effect.NEW_CONNECTIONS,
    why="Caps how many finished handshakes may wait for accept().",
    docs="https://docs.kernel.org/admin-guide/sysctl/net.html",
    gain=3.24,
)
SWAPPINESS = change(
    "vm.swappiness", "60", "1", boot_before="10", source="/etc/sysctl.d/50-vendor.conf:3"
)
NOFILE = change(
    "unit.redis-server.service.LimitNOFILE",
    "1024",
    "65536",
    tunable="system.unit.redis-server.service.LimitNOFILE",
    kind="unit",
    effect=Effect.RESTART,
    allowed=False,
)
ISOLCPUS = change(
    "isolcpus",
    None,
    "2-7",
    tunable="system.boot.isolcpus",
    kind="boot",
    boot_after=None,
    effect=Effect.REBOOT,
    allowed=False,
    risk=Risk.HIGH,
    advice="add to the kernel command line: isolcpus=2-7",
)
ONE_OF_EACH = (
    SOMAXCONN,
    SWAPPINESS,
    change("vm.stat_interval", "10", "10", boot_before=None),
    change("vm.dirty_bytes", "0", "268435456", unit="bytes", risk=Risk.MEDIUM),
    change("vm.dirty_ratio", "20", "0", boot_after=None, follows="system.sysctl.vm.dirty_bytes"),
    change("net.ipv4.tcp_rmem", "4096 131072 33554432", "4096 87380 16777216", unit="bytes"),
    change("vm.new_one", None, "1"),
    change("vm.old_one", "1", None, boot_before="1", boot_after=None),
    NOFILE,
    ISOLCPUS,
    change(
        "maxmemory",
        "2147483648",
        "1073741824",
        tunable="redis.maxmemory",
        module="redis",
        kind="redis",
        unit="bytes",
        boot_after=None,
        allowed=False,
        at_stake="1.4 GiB are in use, too much for a limit of 1.0 GiB",
    ),
)
DROP_IN = FileChange(
    path="/etc/sysctl.d/99-zz-optimizer.conf",
    action="create",
    diff="--- /dev/null\n+++ a/new\n@@ -0,0 +1 @@\n+vm.swappiness = 1\n",
)
STEP = ValueStep(
    tunable="system.sysctl.vm.swappiness", path="/proc/sys/vm/swappiness", before="60", after="1"
)
CPUFREQ = tuple(
    Skipped(tunable=f"system.cpufreq.{name}", reason="no cpufreq driver")
    for name in ("boost", "scaling_governor", "energy_performance_preference", "no_turbo")
)


def host(name: str, **more: object) -> HostPlan:
    """Make the plan of one host that needs two changes."""
    values: dict[str, object] = {
        "name": name,
        "state": "planned",
        "summary": SUMMARY,
        "score": ScoreForecast(now=61.0, after=88.0, possible=88.0),
        "changes": (SOMAXCONN, SWAPPINESS),
        "unchanged": 58,
        "steps": (STEP,),
        **more,
    }
    return HostPlan.model_validate(values)


ONE_HOST = Plan(
    profile=PROFILE,
    hosts=(
        host(
            "db-1",
            score=ScoreForecast(now=58.04, after=84.99, possible=100.0),
            changes=ONE_OF_EACH,
            files=(
                DROP_IN,
                FileChange(path="/etc/tmpfiles.d/zz-optimizer.conf", action="modify"),
                FileChange(path="/etc/sysctl.d/99-optimizer-old.conf", action="delete"),
            ),
            not_applicable=(
                *CPUFREQ,
                Skipped(tunable="system.irq.affinity", reason="irqbalance owns it"),
                Skipped(tunable="system.block.scheduler[vda]", reason="the device has one queue"),
                Skipped(tunable="system.numa.balancing", reason="one NUMA node"),
            ),
            pinned=(Skipped(tunable="system.sysctl.vm.overcommit_memory", reason="DBA, OPS-17"),),
            unknown=(Skipped(tunable="system.thp.enabled", reason="needs root"),),
            notes=(
                "net.core.somaxconn is also set in /etc/sysctl.d/50-vendor.conf:4; our file is "
                "read later and wins",
            ),
            steps=(
                ModuleStep(name="tcp_bbr"),
                STEP,
                DirectoryStep(path="/etc/systemd/system/redis-server.service.d"),
                ActionStep(action="daemon-reload"),
                ActionStep(
                    action="restart-unit",
                    argument="redis-server.service",
                    needs=(Permission.RESTART,),
                ),
            ),
        ),
    ),
).sealed()

FLEET = Plan(
    profile=PROFILE,
    hosts=(
        *(host(f"web-{number:03}") for number in range(1, 187)),
        *(
            host(f"web-{number:03}", changes=(SOMAXCONN,), unchanged=59)
            for number in range(187, 198)
        ),
        host("web-198", changes=(), steps=(), unchanged=60, score=None),
        *(
            HostPlan(
                name=f"web-{number:03}",
                state="unreachable",
                error="ssh: timed out after 10 s",
                hint="Is the host up, and is port 22 open from here?",
            )
            for number in (199, 200)
        ),
    ),
).sealed()

REFUSED = Plan(
    profile=PROFILE,
    hosts=(
        host("db-1"),
        HostPlan(
            name="db-2",
            state="refused",
            error="vm.nr_hugepages would take 40 GiB of 31.2 GiB",
            hint="Use a share: 25% ram.",
        ),
    ),
).sealed()

UP_TO_DATE = Plan(
    profile=PROFILE,
    hosts=(host("db-1", changes=(), steps=(), score=None),),
).sealed()

BACK = Plan(
    kind="rollback",
    profile=ProfileRef(name="rollback to 4f1c9a27d3b0"),
    hosts=(
        host(
            "db-1",
            score=None,
            unchanged=0,
            changes=(
                change("net.core.somaxconn", "4096", "128", boot_after=None),
                change("thp.enabled", "madvise", "always", tunable="system.thp.enabled"),
            ),
            files=(FileChange(path="/etc/sysctl.d/99-zz-optimizer.conf", action="delete"),),
            foreign=(
                change("vm.swappiness", "5", "60", why="we set 1, somebody set 5 later"),
                change("vm.dirty_ratio", "7", "20"),
            ),
            notes=("taken on kernel 6.11, the host runs 6.12",),
            undoes=(SNAPSHOT,),
        ),
    ),
).sealed()

APPLIED = ApplyResult(
    run="r-0193",
    profile=PROFILE,
    hosts=(
        HostOutcome(
            name="db-1",
            state="applied",
            snapshot=SNAPSHOT,
            applied=(SOMAXCONN, SWAPPINESS),
            pending=(NOFILE,),
            held_back=(ISOLCPUS,),
            notes=("vm.stat_interval was 1 for a moment",),
            score_before=58.0,
            score_after=96.0,
            commands=3,
        ),
    ),
)

MIXED = ApplyResult(
    run="r-0194",
    profile=PROFILE,
    hosts=(
        *(
            HostOutcome(
                name=f"web-{number:03}",
                state="applied",
                snapshot=f"{number:064x}",
                applied=(SOMAXCONN,),
            )
            for number in range(1, 88)
        ),
        HostOutcome(
            name="web-088",
            state="restored",
            problems=(
                Problem(
                    what="another value was taken",
                    tunable="system.sysctl.vm.nr_hugepages",
                    path="/proc/sys/vm/nr_hugepages",
                    expected="100000",
                    found="11433",
                ),
            ),
        ),
        HostOutcome(
            name="web-089",
            state="failed",
            problems=(Problem(what="it cannot be reached to see what became of it"),),
        ),
        *(
            HostOutcome(
                name=f"web-{number:03}",
                state="unreachable",
                problems=(Problem(what="ssh: timed out after 10 s"),),
            )
            for number in (199, 200)
        ),
        HostOutcome(name="web-201", state="unchanged"),
        HostOutcome(
            name="web-202", state="refused", problems=(Problem(what="another run holds the lock"),)
        ),
    ),
)

WAITING = ApplyResult(
    run="r-0195",
    profile=PROFILE,
    hosts=(
        HostOutcome(name="db-1", state="waiting", snapshot=SNAPSHOT, applied=(SOMAXCONN,)),
        HostOutcome(name="db-2", state="waiting", snapshot=SNAPSHOT[::-1], applied=(SOMAXCONN,)),
    ),
)

ROLLED_BACK = RollbackResult(
    run="r-0196",
    profile=ProfileRef(name="rollback to last"),
    hosts=(
        HostOutcome(
            name="db-1",
            state="applied",
            snapshot=SNAPSHOT,
            applied=(change("net.core.somaxconn", "4096", "128"),),
            foreign=(change("vm.swappiness", "5", "60", why="we set 1, somebody set 5 later"),),
        ),
    ),
)

TAKEN = ApplyResult(
    run="r-0197",
    profile=ProfileRef(name=""),
    hosts=(
        HostOutcome(name="db-1", state="unchanged", snapshot=SNAPSHOT),
        HostOutcome(name="db-2", state="refused", problems=(Problem(what="the disk is full"),)),
    ),
)

VERIFIED = VerifyResult(
    profile=PROFILE,
    hosts=(
        *(
            HostVerdict(name=f"web-{number:03}", state="match", checked=64)
            for number in range(1, 5)
        ),
        HostVerdict(
            name="web-041",
            state="drift",
            applied="hft 3, run r-0193",
            checked=64,
            drift=(
                Drift(
                    tunable="system.sysctl.vm.swappiness",
                    expected="10",
                    live="60",
                    boot="60",
                    source="/etc/sysctl.d/zz-local.conf:2",
                ),
                Drift(tunable="system.thp.enabled", expected="never", live="always", boot="never"),
                Drift(tunable="system.thp.defrag", expected="never", live="never", boot=None),
                Drift(
                    tunable="/etc/sysctl.d/99-zz-optimizer.conf",
                    expected="4f1c9a27d3b0 644 0:0",
                    live=None,
                    boot=None,
                    source="/etc/sysctl.d/99-zz-optimizer.conf",
                ),
            ),
            pending=(Drift(tunable="redis.tcp-backlog", expected="4096", live="511", boot="4096"),),
            notes=("tuned is running and may write the same values again",),
        ),
        HostVerdict(
            name="web-042",
            state="unknown",
            checked=63,
            unknown=(Skipped(tunable="system.ksm.run", reason="needs root"),),
        ),
        *(
            HostVerdict(name=name, state="unreachable", error="ssh: timed out after 10 s")
            for name in ("web-199", "web-200")
        ),
    ),
)

_MODULES = (
    ModuleScore(module="system", score=52.5, weight=40, matching=36, counted=41),
    ModuleScore(module="redis", score=None, weight=20, matching=8, counted=9),
)
_LOST = (
    LostPoint(
        tunable="system.thp.enabled",
        live="always",
        wanted="madvise",
        gain=8.04,
        effect="live",
        why="Huge pages made on a fault stall it.",
    ),
    LostPoint(
        tunable="postgresql.shared_buffers", live="128MB", wanted="8GB", gain=12.1, effect="restart"
    ),
    LostPoint(
        tunable="system.sysctl.net.core.default_qdisc",
        live="fq",
        wanted="fq",
        gain=0.5,
        effect="live",
    ),
)
_HEALTH = (
    HealthCheck(
        name="memory pressure",
        status="critical",
        value="41 %",
        threshold="10 %",
        recommendation="Lower maxmemory, or add memory.",
    ),
    HealthCheck(name="memory available", status="good", value="40 %", threshold="20 %"),
)

SCORED = ScoreResult(
    profile=PROFILE,
    hosts=(
        HostScore(
            name="db-1",
            state="scored",
            score=58.96,
            status="warning",
            modules=_MODULES,
            lost=_LOST,
            health=_HEALTH,
            not_applicable=CPUFREQ,
            pinned=(Skipped(tunable="redis.save", reason="DBA"),),
            unknown=(Skipped(tunable="redis.maxmemory", reason="needs a password"),),
        ),
    ),
)

SCORED_FLEET = ScoreResult(
    profile=PROFILE,
    hosts=(
        *(
            HostScore(
                name=f"web-{number:03}",
                state="scored",
                score=61.0,
                status="warning",
                lost=_LOST[:1],
            )
            for number in range(1, 187)
        ),
        *(
            HostScore(name=f"web-{number:03}", state="scored", score=100.0, status="optimal")
            for number in range(187, 198)
        ),
        HostScore(name="web-198", state="scored", score=40.4, status="critical", lost=_LOST[:2]),
        HostScore(name="web-199", state="unknown"),
        HostScore(name="web-200", state="unreachable", error="ssh: timed out after 10 s"),
    ),
)

RUNS = HistoryResult(
    runs=(
        RunInfo(
            id="r-0191",
            created="2026-11-18T09:02:11Z",
            verb="apply",
            profile="web",
            by="ana@bastion",
            hosts=12,
            changed=12,
            restored=0,
            failed=0,
        ),
        RunInfo(
            id="r-0193",
            created="2026-11-20T23:51:02Z",
            verb="apply",
            profile="hft",
            by="ci@runner-7",
            hosts=198,
            changed=197,
            restored=1,
            failed=0,
        ),
    )
)

SNAPSHOTS = HistoryResult(
    snapshots=(
        SnapshotInfo(
            id=SNAPSHOT,
            run="r-0193",
            host="db-1",
            created="2026-11-20T23:51:02Z",
            kind="apply",
            profile="hft",
            by="ana@bastion",
            kernel="6.12",
            values=31,
            files=2,
            state="in effect",
        ),
        SnapshotInfo(
            id=SNAPSHOT[::-1],
            run="r-0180",
            host="db-1",
            created="2026-11-02T08:40:00Z",
            kind="snapshot",
            profile="",
            by="ana@bastion",
            kernel="6.11",
            values=190,
            files=0,
            state="taken",
            label="before-upgrade",
        ),
    ),
    problems=(
        Problem(what="the hash of a file does not fit", path="db-1:/var/lib/optimizer/blobs/3c"),
    ),
)

DIAGNOSED = DoctorResult(
    hosts=(
        *(
            HostDiagnosis(
                name=f"web-{number}",
                state="examined",
                checks=(
                    Diagnosis(check="root's rights", status="ok", answer="yes"),
                    Diagnosis(
                        check="safety timer",
                        status="warning",
                        answer="a waiting process: a reboot before the confirmation ends it",
                        hint="Live values are gone after a reboot anyway.",
                    ),
                ),
            )
            for number in (1, 2, 3)
        ),
        HostDiagnosis(
            name="db-1",
            state="examined",
            checks=(
                Diagnosis(check="root's rights", status="critical", answer="no, uid 1000"),
                Diagnosis(check="journal", status="unknown", answer="cannot be read"),
            ),
        ),
        HostDiagnosis(name="db-2", state="unreachable", error="ssh: timed out after 10 s"),
    )
)
