"""What `diagnose_mapping` foretells of each mapping, and what models of it did: paper 004 (docs/papers.md).

    python records/mapping/foretold.py

Needs the runs of atoms (`hexane_reference`, `alanine_reference`) and the rows of `hexane_rows` and `alanine_rows`.
Three checks can be held against runs:

- lengths: bare beads lose bonds, in more than `LOST` of the molecules of hexane or of the bonds of alanine;
- species: a chain and its reverse are the same, so that phi and psi can be exchanged;
- mirror images: a molecule and its mirror image are the same.

A run shows a symmetry that the reference has not, where its free energy and the image of it are less than half as far
apart as those of the reference. The form that is looked at has no hand: grains where there are some, else bare beads.
"""

import json
import sys
from pathlib import Path

import alanine_rows
import hexane_rows
import numpy as np
from bead_study import runs_of

from openmm_cgaa import diagnose_mapping
from openmm_cgaa.structures.structure import read_structure

CHECKS = "lengths", "species", "mirror images"
LOST = 0.01
HALF = 0.5
FRAMES = 500


def foretold(system: Path, trajectory: str, structure: str, mapping) -> dict[str, str]:
    """The worst verdict of each check."""
    topology, _ = read_structure(system / structure)
    findings = diagnose_mapping(system / trajectory, topology, mapping, frames=FRAMES).findings
    order = "fine", "mind", "wrong"
    return {
        check: max((one.verdict for one in findings if one.check == check), key=order.index, default="fine")
        for check in CHECKS
    }


def of_hexane(results: dict) -> list[tuple]:
    rows = []
    for name, cutoffs in hexane_rows.MAPS.items():
        runs = [run for run in runs_of(results, f"{name}-bare-{cutoffs[0]}") if "lost" in run]
        if runs:
            told = foretold(hexane_rows.SYSTEM, "runs/1/run.xtc", "runs/box.cif", hexane_rows.mapping_of(name, False))
            lost = float(np.mean([run["lost"] for run in runs]))
            rows.append((f"hexane `{name}`", "lengths", told["lengths"] != "fine", lost > LOST, f"{lost:.2f} lost"))
    return rows


def of_alanine(results: dict) -> list[tuple]:
    rows = []
    for name in dict.fromkeys(row.rsplit("-", 1)[0] for row in alanine_rows.ROWS):
        bare, grains = (
            [run for run in runs_of(results, f"{name}-{form}") if "lost" in run] for form in ("bare", "grains")
        )
        if not bare and not grains:
            continue
        told = foretold(alanine_rows.SYSTEM, "runs/1/run.dcd", "alanine.cif", alanine_rows.mapping_of(name, False))
        if bare:
            lost = float(np.mean([run["lost"] for run in bare]))
            rows.append((f"alanine `{name}`", "lengths", told["lengths"] != "fine", lost > LOST, f"{lost:.2f} lost"))
        for check, key in (("species", "reversed"), ("mirror images", "mirrored")):
            apart = np.mean([run[key][0] for run in grains or bare])
            known = (grains or bare)[0][key][1]
            text = f"{apart:.2f} bits from its image, reference {known:.2f}"
            rows.append((f"alanine `{name}`", check, told[check] == "wrong", apart < HALF * known, text))
    return rows


def table(rows: list[tuple]) -> str:
    lines = ["| mapping | check | foretold | seen | | |", "|---" * 6 + "|"]
    for where, check, said, seen, text in rows:
        words = ["yes" if each else "no" for each in (said, seen)]
        lines.append(
            f"| {where} | {check} | {words[0]} | {words[1]} | {'hit' if said == seen else '**miss**'} | {text} |"
        )
    hits = sum(said == seen for _, _, said, seen, _ in rows)
    return "\n".join([*lines, "", f"{hits} of {len(rows)} are right."])


def main() -> int:
    known = [
        json.loads(rows.RESULTS.read_text()) if rows.RESULTS.is_file() else {} for rows in (hexane_rows, alanine_rows)
    ]
    print(table(of_hexane(known[0]) + of_alanine(known[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
