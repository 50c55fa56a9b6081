"""What `diagnose_mapping` foretells of each mapping, and what models of it did: paper 004 (docs/papers.md).

    python records/mapping/foretold.py

Needs the runs of atoms (`hexane_reference`, `alanine_reference`) and the rows of `hexane_rows` and `alanine_rows`.
Three checks can be held against runs:

- lengths: bare beads lose bonds, in more than `LOST` of the molecules of hexane or of the bonds of alanine;
- species: two distances that an exchange makes the same become alike; where no exchange is foretold, a chain and its
  reverse do not;
- mirror images: a molecule and its mirror image, perhaps read backwards, are the same.

A symmetry is seen where a run and its image, or the two distances, are less than half as far apart as in the reference.
It is looked for in runs of grains, whose exchanges the diagnosis tells. What a threshold of the diagnosis was set by
(`SET`) is no prediction, and does not count.
"""

import sys
from pathlib import Path

import alanine_rows
import hexane_rows
import numpy as np
from bead_study import read_results, runs_of

from openmm_cgaa import Mapping, diagnose_mapping
from openmm_cgaa.structures.structure import read_structure

CHECKS = "lengths", "species", "mirror images"
SET = {("hexane `three`", "lengths")}  # bonds that are lost at seven spreads: ten are asked for since then
LOST = 0.01
HALF = 0.5
FRAMES = 500


def foretold(system: Path, trajectory: str, structure: str, mapping: Mapping) -> dict[str, str]:
    """The worst verdict of each check."""
    topology, _ = read_structure(system / structure)
    findings = diagnose_mapping(system / trajectory, topology, mapping, frames=FRAMES).findings
    order = "fine", "mind", "wrong"
    return {
        check: max((one.verdict for one in findings if one.check == check), key=order.index, default="fine")
        for check in CHECKS
    }


def runs_with(results: dict, row: str, key: str) -> list[dict]:
    return [run for own in runs_of(results, row) for run in own if key in run]


def of_lengths(where: str, runs: list[dict], told: dict) -> tuple:
    lost = float(np.mean([run["lost"] for run in runs]))
    return where, "lengths", told["lengths"] != "fine", lost > LOST, f"{lost:.2f} lost"


def of_hexane(results: dict) -> list[tuple]:
    rows = []
    for name, cutoffs in hexane_rows.MAPS.items():
        if runs := runs_with(results, f"{name}-bare-{cutoffs[0]}", "lost"):
            told = foretold(hexane_rows.SYSTEM, "runs/1/run.xtc", "runs/box.cif", hexane_rows.mapping_of(name, False))
            rows.append(of_lengths(f"hexane `{name}`", runs, told))
    return rows


def of_alanine(results: dict) -> list[tuple]:
    rows = []
    for name in dict.fromkeys(row.rsplit("-", 1)[0] for row in alanine_rows.ROWS):
        bare, grains = (runs_with(results, f"{name}-{form}", "divergence") for form in ("bare", "grains"))
        if not bare and not grains:
            continue
        where = f"alanine `{name}`"
        told = foretold(alanine_rows.SYSTEM, "runs/1/run.dcd", "alanine.cif", alanine_rows.mapping_of(name, False))
        if bare:
            rows.append(of_lengths(where, bare, told))
        if grains:
            exchanged = told["species"] == "wrong"
            pairs = [run["exchanges"][0] if exchanged else run["reversed"] for run in grains]
            rows.append((where, "species", exchanged, *seen([pairs])))
            images = [[run[key] for run in grains] for key in ("mirrored", "both")]
            rows.append((where, "mirror images", told["mirror images"] == "wrong", *seen(images)))
    return rows


def seen(images: list[list]) -> tuple[bool, str]:
    """Whether runs are alike to one of some images: each is pairs of a distance in a run and in the reference."""
    found = [np.mean(pairs, axis=0) for pairs in images]
    ours, theirs = min(found, key=lambda pair: pair[0] / pair[1])
    return bool(ours < HALF * theirs), f"{ours:.2f} apart, atoms {theirs:.2f}"


def table(rows: list[tuple]) -> str:
    lines = ["| mapping | check | foretold | seen | | |", "|---" * 6 + "|"]
    for where, check, said, shown, text in rows:
        words = ["yes" if each else "no" for each in (said, shown)]
        verdict = "set by it" if (where, check) in SET else "hit" if said == shown else "**miss**"
        lines.append(f"| {where} | {check} | {words[0]} | {words[1]} | {verdict} | {text} |")
    counted = [said == shown for where, check, said, shown, _ in rows if (where, check) not in SET]
    return "\n".join([*lines, "", f"{sum(counted)} of {len(counted)} are right."])


def main() -> int:
    hexane, alanine = (read_results(rows.RESULTS) for rows in (hexane_rows, alanine_rows))
    print(table(of_hexane(hexane) + of_alanine(alanine)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
