"""An example fleet: databases, trading hosts and a cache, with data per group and host.

`optimizer_profile` chooses the profile, `optimizer_set` overrides values, `optimizer_pin`
names what has to be left alone, with the reason. See docs/inventories.md.
"""

databases = [
    "db-1.example.net",
    ("db-2.example.net", {"optimizer_pin": {"system.sysctl.vm.swappiness": "ticket 4711"}}),
]

trading = (
    ["trade-1.example.net", "trade-2.example.net"],
    {"optimizer_set": {"system.boot.isolcpus": "2-7", "system.boot.nohz_full": "2-7"}},
)

caches = ["cache-1.example.net"]
