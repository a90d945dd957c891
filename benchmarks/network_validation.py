"""How far estimates of whole networks are off: runs `bench validate` for a choice of networks, reductions and stations, and prints a table.

Example: python benchmarks/network_validation.py --case lenet5 --case lenet5:int8 --case lenet5:prune=70 --station f446=16MHz,90MHz,180MHz

Stations are the virtual boards l496, f446 and f746; the F446 is given a probe that reaches beyond the 50 mA of its usual one, because softmax
and tables of sigmoids draw more at 180 MHz. Model `layers` (the default) adds up each layer's own measurement and measures it first where it is missing, so its
error is that of composition alone; `fitted` and `published` estimate from the table of the database as it is. A database that is kept (--db) makes
the next run short. Figures: docs/validation.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

QUANTITIES = ("latency_s", "energy_j", "current_a", "flash_bytes", "ram_bytes")
STATIONS = """\
stations:
  - name: virtual-f446
    board: nucleo_f446ze
    virtual: true
    current_probe: {driver: ppk2, url: "virtual://virtual-nucleo_f446ze/ppk2"}
"""
NAMES = {"l496": "virtual-nucleo_l496zg", "f446": "virtual-f446", "f746": "virtual-nucleo_f746zg"}
CASES = ("lenet5_sigmoid", "lenet5", "lenet5:int8", "lenet5:prune=50", "lenet5:prune=70", "lenet5:prune=90")


def validate(case: str, station: str, freq: str, model: str, db: str, stations: Path) -> list[dict[str, float]]:
    """Return the rows that ``bench validate`` prints for one case on one station; what it says goes to standard error."""
    network, _, reduce = case.partition(":")
    command = [sys.executable, "-m", "bench.cli.main", "validate", network, "--station", NAMES[station], "--freq", freq]
    command += ["--model", model, "--json", "--db", db, "--stations", str(stations)]
    command += ["--reduce", reduce] if reduce else []
    command += ["--sweep"] if model == "layers" else ["--extrapolate"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode and not done.stdout.strip():
        print(f"{case} on {station}: no result, exit code {done.returncode}", file=sys.stderr)
        return []
    rows: list[dict[str, float]] = json.loads(done.stdout)
    return rows


def errors(rows: list[dict[str, float]], quantity: str) -> list[float]:
    """Return the relative errors of the estimates."""
    return [
        row[f"{quantity}_estimated"] / row[f"{quantity}_measured"] - 1
        for row in rows
        if row[f"{quantity}_estimated"] is not None and row[f"{quantity}_measured"]
    ]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", help="network, or network:reduction; repeated", metavar="CASE")
    parser.add_argument("--station", action="append", help=f"one of {', '.join(NAMES)}, or NAME=CLOCKS; repeated")
    parser.add_argument("--model", default="layers", choices=("layers", "fitted", "published"))
    parser.add_argument("--db", help="database to use and to keep; default: a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stations = Path(folder) / "stations.yaml"
        stations.write_text(STATIONS, encoding="utf-8")
        db = options.db or f"sqlite:///{folder}/measurements.db"
        print(f"mean absolute error (worst) of the estimate, model {options.model}\n")
        print("| network | board | clocks | latency | energy | current | flash | RAM | took |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
        every: list[dict[str, float]] = []
        for case in options.case or CASES:
            for text in options.station or ["f446=16MHz,90MHz,180MHz"]:
                station, _, freq = text.partition("=")
                begun_s = time.monotonic()
                rows = validate(case, station, freq or "all", options.model, db, stations)
                every += rows
                print(line(case, station, rows, time.monotonic() - begun_s), flush=True)
        print(line("all", "", every, 0.0))


def line(case: str, station: str, rows: list[dict[str, float]], took_s: float) -> str:
    """Return one row of the table."""
    cells = []
    for quantity in QUANTITIES:
        found = [100 * abs(error) for error in errors(rows, quantity)]
        cells.append(f"{sum(found) / len(found):.2f} % ({max(found):.2f})" if found else "-")
    return f"| {case} | {station} | {len(rows)} | {' | '.join(cells)} | {took_s:.0f} s |"


if __name__ == "__main__":
    main()
