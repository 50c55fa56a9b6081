"""Does the simulated liquid behave? ``python systems/ec_emc_lipf6/validation/validate.py [ROW ...] [--short]``.

A row makes the simulations that it needs (runs.py; they can be killed and go on), measures, and keeps its numbers in
results.json, from which ``--report`` writes tables and figures of records/validation.md. ``--runs`` makes simulations
alone, by name, so that several can go on beside each other. ``--short`` does all in a hundredth of the length, in a
folder of its own, and keeps nothing: it shows that everything works.
"""

import argparse
import json
import shutil
import sys
import time
from datetime import date
from pathlib import Path

import figures
import report
import torch
from rows import ROWS
from runs import RUNS, SYSTEM, Interrupted, Workplace

from openmm_cgaa.errors import CGAAError
from openmm_cgaa.host.files import owned, write_bytes

RESULTS = Path(__file__).parent / "results.json"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help=f"by default all: {', '.join(ROWS)}")
    parser.add_argument("--runs", nargs="+", default=[], metavar="RUN", help=f"of {', '.join(RUNS)}")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--report", action="store_true", help="tables and figures of records/validation.md anew")
    parser.add_argument("--model", action="append", default=[], metavar="NAME=FILE", help="in place of a bundled one")
    parser.add_argument("--out", help="folder of the simulations")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    for kind, names, known in (("row", args.rows, ROWS), ("run", args.runs, RUNS)):
        unknown = set(names) - set(known)
        if unknown:
            parser.error(f"no such {kind}: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if args.report:
        results = json.loads(RESULTS.read_text())
        print("tables:", ", ".join(report.write(results)))
        print("figures:", ", ".join(figures.draw_all(results)))
        return
    torch.set_num_threads(args.threads)
    models = dict(entry.split("=", 1) for entry in args.model)
    out = args.out or SYSTEM / "runs" / ("validation-short" if args.short else "validation")
    if args.short and not args.out and not args.runs:
        shutil.rmtree(out, ignore_errors=True)  # to show that everything works it must be done
    place, failed = Workplace(out, models, args.short, args.threads), []
    try:
        for name in args.runs:
            place.run(name, progress=True)
        for name in [] if args.runs and not args.rows else args.rows or ROWS:
            start = time.monotonic()
            try:
                numbers = ROWS[name](place)
            except (CGAAError, OSError) as error:
                failed.append(name)
                print(f"{name}: {error}", file=sys.stderr, flush=True)
                continue
            print(f"{name} ({time.monotonic() - start:.0f} s): {_brief(numbers)}", flush=True)
            if not args.short:
                keep(name, numbers, place)
    except (CGAAError, Interrupted, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    if failed:
        parser.exit(2, f"not measured: {', '.join(failed)}; see above\n")


def keep(name, numbers, place):
    """Another process may be adding a row of its own."""
    with owned(place.folder, wait=True):
        found = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
        made = {"model_sha256": place.potential().provenance()["model_sha256"], "date": str(date.today())}
        found = found | {name: _rounded(numbers), "made": found.get("made", {}) | {name: made}}
        lines = [f"{json.dumps(row)}: {json.dumps(kept)}" for row, kept in found.items()]
        write_bytes(RESULTS, ("{\n" + ",\n".join(lines) + "\n}\n").encode())  # a row a line
        report.write(found)  # the page shows what the numbers are


def _rounded(numbers):
    """To as many digits as a figure or a table shows, and some."""
    if isinstance(numbers, dict):
        return {key: _rounded(value) for key, value in numbers.items()}
    if isinstance(numbers, list):
        return [_rounded(value) for value in numbers]
    return float(f"{numbers:.5g}") if isinstance(numbers, float) else numbers


def _brief(numbers):
    """Numbers without their curves."""
    if isinstance(numbers, dict):
        inner = [f"{key}: {_brief(value)}" for key, value in numbers.items() if not _is_curve(value)]
        return "{" + ", ".join(inner) + "}"
    if isinstance(numbers, list):
        return "[" + ", ".join(_brief(value) for value in numbers) + "]"
    return f"{numbers:.4g}" if isinstance(numbers, float) else str(numbers)


def _is_curve(value):
    return isinstance(value, list) and len(value) > 4 and isinstance(value[0], (int, float, list))


if __name__ == "__main__":
    main()
