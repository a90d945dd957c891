"""The fault table, as data: what goes wrong, and what the bench must say, do and record about it.

``python -m tests.end_to_end.fault_cases`` prints it for docs/faults.md; a test holds the document to it, and one runs every line.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

from bench.errors import TargetError
from bench.measure.policy import RULES

CLOCKS_MHZ = (16, 64, 180)
ORDER_SEED = 0
_AT_64 = "(*(volatile uint32_t *)0x40023C00 & 15U) == 2U"  # FLASH_ACR: two wait states are 64 MHz
_ONCE = "(*seen >> 16 != 0xB1A5U ? *seen = 0xB1A50000U : 0U), (*seen & 0xFFFFU) < 13U && (*seen)++ < 0xFFFFFFFFU"


def _kernel(body: str, *, once: bool = False) -> str:
    """Return what goes wrong at the end of a call at 64 MHz; ``once``: in the thirteen calls of one attempt, as a word that resets leave tells."""
    seen = "volatile uint32_t *seen = (volatile uint32_t *)0x2001FFF0; " if once else ""
    condition = f"{_AT_64} && ({_ONCE})" if once else _AT_64
    return f"{seen}if ({condition}) {{ {body} }}"


@dataclass(frozen=True)
class Case:
    """One line of the table.

    ``how``: ``board`` faults (BENCH_VIRTUAL_FAULTS), ``probe`` faults (of the instrument's URL), ``kernel`` (C at the end of the kernel),
    ``station`` (changes of the station), or a name that the test knows. ``said``: in the first event's cause. ``did``: the actions that were
    recorded, by clock. ``rejected``: failure class by clock; every other point is right. ``ends``: the class of error the image ends with.
    """

    fault: str
    how: dict[str, str]
    said: str
    did: dict[int, tuple[str, ...]]
    rejected: dict[int, str] = field(default_factory=dict)
    ends: str = ""

    @property
    def name(self) -> str:
        """For the test's name."""
        return self.fault.replace(" ", "-")


RETRY, RESET, RECONNECT, UNDER_RESET = "retry", "reset", "reconnect", "connect under reset"
POWER, REJECT, QUARANTINE, RECOVERED = "power cycle", "reject the point", "quarantine the station", "recovered"
WITHDRAW = "withdraw"


def _all(kind: str) -> dict[int, str]:
    return dict.fromkeys(CLOCKS_MHZ, kind)


FIRST, SECOND, THIRD = 180, 64, 16
"""The order that ORDER_SEED gives."""

SOMEWHERE = 0
"""Which write is the first that needs a new page of the database is nobody's business."""

CASES = (
    Case("board swapped", {"station": "mcu_unique_id"}, "the MCU's unique id is", {FIRST: (QUARANTINE,)}, _all("identify"), "StationQuarantined"),
    Case("another microcontroller", {"station": "debug_probe"}, "connected to an MCU with device id 0x461", {FIRST: (QUARANTINE,)}, _all("identify"), "StationQuarantined"),
    Case("flash verify error, once", {"board": "flash_verify*1"}, "after programming, expected", {FIRST: (RESET, RECOVERED)}),
    Case("flash verify error, always", {"board": "flash_verify"}, "after programming, expected", {FIRST: (RESET, UNDER_RESET, POWER, QUARANTINE)}, _all("flash"), "StationQuarantined"),
    Case("HSE absent, once", {"board": "hse_absent*1"}, "the external clock (HSE) did not start", {FIRST: (RESET, RECOVERED)}),
    Case("HSE absent", {"board": "hse_absent"}, "the external clock (HSE) did not start", {FIRST: (RESET, REJECT), SECOND: (RESET, REJECT)}, {FIRST: "verify", SECOND: "verify"}),
    Case("HardFault, once", {"board": "hard_fault@64*1"}, "the target took a fault at", {64: (RESET, RECOVERED)}),
    Case("HardFault", {"board": "hard_fault@64"}, "the target took a fault at", {64: (RESET, REJECT)}, {64: "run"}),
    Case("endless loop", {"kernel": _kernel("for (;;) { }")}, "did not finish the cycles run", {64: (RESET, REJECT)}, {64: "run"}),
    Case("wrong output, once", {"kernel": _kernel("args->output[3] += 1.0F;", once=True)}, "outputs are wrong", {64: (RESET, RECOVERED)}),
    Case("wrong output", {"kernel": _kernel("args->output[3] += 1.0F;")}, "outputs are wrong", {64: (RESET, REJECT)}, {64: "verify"}),
    Case("mailbox corrupted, once", {"kernel": _kernel("mailbox.magic = 0xDEADU;", once=True)}, "with magic 0x0000dead", {64: (RESET, RECOVERED)}),
    Case("mailbox corrupted", {"kernel": _kernel("mailbox.magic = 0xDEADU;")}, "with magic 0x0000dead", {64: (RESET, REJECT)}, {64: "run"}),
    Case("probe unplugged in the window", {"probe": "disconnect*1"}, "the device was unplugged", {FIRST: (RECONNECT, RECOVERED)}),
    Case("probe unplugged in every window", {"probe": "disconnect"}, "the device was unplugged", {FIRST: (RECONNECT, POWER, QUARANTINE)}, _all("probe"), "StationQuarantined"),
    Case("samples lost, once", {"probe": "lost_samples*1"}, "samples arrived", {FIRST: (RETRY, RECOVERED)}),
    Case("samples lost in every window", {"probe": "lost_samples"}, "samples arrived", {FIRST: (RETRY, RETRY, RECONNECT, REJECT), SECOND: (RETRY, RETRY, RECONNECT, REJECT), THIRD: (RETRY, RETRY, RECONNECT, REJECT, QUARANTINE)}, _all("probe"), "StationQuarantined"),
    Case("overcurrent, once", {"probe": "overcurrent*1"}, "50 mA", {FIRST: (RETRY, RECOVERED)}),
    Case("overcurrent", {"probe": "overcurrent*2"}, "50 mA", {FIRST: (RETRY, REJECT)}, {FIRST: "probe"}),
    Case("garbage bytes, once", {"probe": "garbage*1"}, "", {FIRST: (RETRY, RECOVERED)}),
    Case("brown-out, once", {"board": "brown_out@64*1"}, "the target stopped at", {64: (RESET, RECOVERED)}),
    Case("brown-out", {"board": "brown_out@64"}, "the target stopped at", {64: (RESET, REJECT)}, {64: "run"}),
    Case("debug port stuck, until a reset", {"board": "debug_stuck@64*1"}, "no acknowledge on SWD", {64: (RECONNECT, UNDER_RESET, RECOVERED)}),
    Case("debug port stuck, until a power cycle", {"board": "debug_dead@64*1"}, "no acknowledge on SWD", {64: (RECONNECT, UNDER_RESET, POWER, RECOVERED)}),
    Case("debug port stuck for good", {"board": "debug_dead"}, "no acknowledge on SWD", {FIRST: (RECONNECT, UNDER_RESET, POWER, QUARANTINE)}, _all("connect"), "StationQuarantined"),
    Case("clock 3 % off, once", {"board": "clock_off@64*2"}, "the core ran at 65.8", {64: (RESET, RECOVERED)}),
    Case("clock 3 % off", {"board": "clock_off@64"}, "the core ran at 65.8", {64: (RESET, REJECT)}, {64: "verify"}),
    Case("drift of 2 %", {"board": "drift*2"}, "the sentinel point drifted", {SECOND: (WITHDRAW,), THIRD: (WITHDRAW,)}),
    Case("current wanders in the window, once", {"board": "wander@64*1"}, "the current drifts", {64: (RETRY, RECOVERED)}),
    Case("current wanders in every window", {"board": "wander@64"}, "the current drifts", {64: (RETRY, RETRY, REJECT)}, {64: "verify"}),
    Case("compile error", {"kernel": "int sum = missing_variable;"}, "missing_variable", {}, _all("build"), "CompileError"),
    Case("disk full, space freed", {"database": "full, freed"}, "the disk is full", {SOMEWHERE: (RETRY, RECOVERED)}),
    Case("disk full", {"database": "full"}, "the disk is full", {}, ends="DatabaseUnusable"),
    Case("database locked, then free", {"database": "locked, freed"}, "is locked", {SECOND: (RETRY, RECOVERED)}),
    Case("database locked", {"database": "locked"}, "is locked", {}, ends="DatabaseUnusable"),
)  # fmt: skip


def _at(mhz: int) -> str:
    return "" if mhz == SOMEWHERE else f"{mhz} MHz: "


def table() -> str:
    """Return the table as Markdown."""
    lines = ["| fault | the bench said | it did | it recorded | the other points |", "| --- | --- | --- | --- | --- |"]
    for case in CASES:
        did = "; ".join(_at(mhz) + ", ".join(actions) for mhz, actions in case.did.items()) or "nothing"
        if case.rejected:
            recorded = "; ".join(f"{mhz} MHz rejected ({kind})" for mhz, kind in case.rejected.items())
            if len(case.rejected) == len(CLOCKS_MHZ):
                recorded = f"all points rejected ({case.rejected[FIRST]})"
        else:
            recorded = "all points accepted"
        others = "right" if len(case.rejected) < len(CLOCKS_MHZ) else "none was measured"
        if case.ends == "DatabaseUnusable":
            did, recorded, others = "retry, retry, stop", "what was recorded before stays", "right, up to there"
        if case.ends == "StationQuarantined":
            did += "; the sweep leaves the station out"
        lines.append(f"| {case.fault} | {case.said or 'depends on the bytes'} | {did} | {recorded} | {others} |")
    return "\n".join(lines) + "\n"


def policy_table() -> str:
    """Return the rules as Markdown."""
    lines = [
        "| error | class | before the next attempts | then | twice alike ends it | why |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for kind, rule in RULES.items():
        name = "run" if kind is TargetError else kind.failure_class
        ladder, twice = ", ".join(rule.ladder) or "nothing", "yes" if rule.determinate else ""
        lines.append(f"| `{kind.__name__}` | {name} | {ladder} | {rule.end} | {twice} | {rule.why} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(f"{policy_table()}\n{table()}")
