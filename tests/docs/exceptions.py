"""Commands of the documentation that no test can run here, each with its reason; and what pages need before their first command."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT

NOT_RUN: tuple[tuple[str, str], ...] = (
    (r"^sudo ", "changes the host, as root"),
    (r"^make test$", "is what runs this"),
    (r"^make run$", "has a test of its own below, without the installation"),
    (r"^git clone ", "needs the network"),
    (r"^\. \.venv/bin/activate$", "the sandbox has its own bench on the path"),
    (r"--cmsis-nn|cmsis-nn ", "needs Arm's library, which is not part of the bench; tests/firmware has a stand-in"),
    (r"^(createuser|psql) ", "needs a PostgreSQL server; tests/store and tests/daemon start one"),
    (r"^export BENCH_DB=postgresql", "needs a PostgreSQL server"),
    (r"^bench daemon\b", "serves until it is stopped; tests/end_to_end/test_daemon.py does it"),
    (r"^bench (status|logs) .*--(watch|follow)", "goes on until the job ends, and no daemon measures it here"),
    (r"^bench sweep$", "measures the whole primitive set, which takes an hour; its dry run is run"),
    (r"^bench sweep cost-model(?!.*--dry-run)", "measures 200 shapes in two data types, which takes hours"),
    (r"^bench (estimate|explore) (resnet8|model\.onnx) ", "needs the table of the cost model; tests/cli/test_estimate.py has one"),
    (r"^bench validate (lenet5 --station|lenet5 --reduce prune|model\.onnx)", "needs every layer measured first, which takes minutes; the tutorial validates"),
    (r"^bench (?!doctor\b|submit\b).*--station (?!virtual-)", "needs a board"),
    (r"^bench doctor --station desk", "needs a board"),
    (r"^bench stations --detect", "looks for boards; what it finds depends on the host"),
    (r"^pyocd (gdbserver|flash)", "serves until it is stopped, or needs an image; tests/virtual/test_pyocd_commands.py does both"),
)  # fmt: skip

_STATIONS = """cat > stations.yaml <<'END'
stations:
  - {name: desk, board: nucleo_f446ze, debug_probe: "0001"}
  - {name: shelf, board: nucleo_f446ze, debug_probe: "0002"}
  - {name: desk-1, board: nucleo_f446ze, debug_probe: "0003"}
  - {name: desk-2, board: nucleo_f446ze, debug_probe: "0004"}
  - {name: rack-7, board: nucleo_l496zg, debug_probe: "0005"}
END"""
_QUICK = "bench run --no-plot --window 5ms --size 12x12 --primitive"

BEFORE: dict[str, tuple[str, ...]] = {
    "docs/howto/add-a-board.md": (f"cp -r '{ROOT}/boards' .",),
    "docs/daemon.md": (_STATIONS,),
    "docs/many-hosts.md": (_STATIONS,),
    "docs/lut.md": (
        f"{_QUICK} conv2d --k 3 --dtype int8 --freq 180MHz",
        "bench export colleague.csv",
        "bench export thesis.csv",
    ),
    "docs/uncertainty.md": tuple(
        f"bench run --no-plot --window 20ms --primitive conv2d --k 5 --freq {clock}" for clock in ("16MHz", "116MHz")
    ),
    "docs/report.md": (
        f"{_QUICK} conv2d --k 3",
        f"{_QUICK} conv2d --k 5 --dtype int8",
        f"{_QUICK} conv2d --k 5",
        f"{_QUICK} conv2d --k 5 --dtype int8 --flavor dsp --freq 180MHz",
        f"{_QUICK} conv2d --k 3 --dtype int8 --freq 180MHz",
        f"{_QUICK} conv2d --k 3 --dtype int8 --flavor dsp --freq 180MHz",
        f"{_QUICK} conv2d --k 5 --station virtual-nucleo_l496zg",
        "echo '[]' > lenet5.json",
    ),
}
"""What must be there before the first command of a page: what another page, or another person, made."""


def reason_not_to_run(command: str) -> str | None:
    """Return why ``command`` is not run, None where it is."""
    return next((reason for pattern, reason in NOT_RUN if re.search(pattern, command)), None)
