"""Writes records/benchmarks.md: ``python records/benchmarks/page.py``.

The words are those of page_template.md. In the place of ``{{ NAME }}`` come the tables of NAME.json, which
``openmm-cgaa benchmark --json`` has written: what it was taken on, and all its figures.
"""

import json
import re
from pathlib import Path

from openmm_cgaa.benchmark.cases import Cost, classical_steps, growth
from openmm_cgaa.host.files import write_bytes
from openmm_cgaa.validation.row import markdown_table
from openmm_cgaa.wording import counted

HERE = Path(__file__).parent
PAGE, TEMPLATE = HERE.parent / "benchmarks.md", HERE / "page_template.md"
PLACE = re.compile(r"\{\{ *(\w+) *\}\}")
HEAD = "<!-- records/benchmarks/page.py has written this page from page_template.md: change that -->\n"


def main():
    write_bytes(PAGE, page().encode())


def page() -> str:
    """The text of the page."""
    return HEAD + PLACE.sub(lambda found: of_run(HERE / f"{found[1]}.json"), TEMPLATE.read_text("utf-8"))


def of_run(path) -> str:
    """Machine, figures, growth and parts of a step of one run."""
    told = json.loads(path.read_text("utf-8"))
    if "timings" not in told:
        return of_gpu(told)
    costs = [Cost(**row) for row in told["timings"]]
    parts = [machine(told), table(costs)]
    if exponents := growth(costs):
        head = ["above 5,000 atoms the time of a step grows as atoms to the power", "threads", ""]
        parts.append(markdown_table(head, [[what, n, f"{power:.3f}"] for (what, n), power in exponents.items()]))
    if "profile" in told:
        whole = sum(part["ms"] for part in told["profile"])
        rows = [[part["part"], f"{part['ms']:.2f}", f"{100 * part['ms'] / whole:.0f}"] for part in told["profile"]]
        head = [f"a step of {told['models'][0]}, {counted(told['atoms'], 'atom')}, one thread", "ms", "%"]
        parts.append(markdown_table(head, rows))
    return "\n\n".join(parts)


def of_gpu(told) -> str:
    """Of gpu_first_run.py: what the numbers are, then times and memory by size, and the kernels that take longest."""
    of = told["machine"]
    versions = ", ".join(f"{name} {of[name]}" for name in ("driver", "cuda", "torch", "openmm"))
    parts = [f"On {of['gpu']} ({of['GiB']:.0f} GiB), {of['date']}, commit {of['commit']}; {versions}."]
    right = [(model, row) for model, row in told["numbers"].items() if isinstance(row, dict)]
    head = ["beside torch in double precision on the CPU", "forces", "virial", "energy, eV", "launches", "repeats"]
    rows = [
        [
            f"`{model}`, 983 atoms",
            f"{row['force_error']:.1e}",
            f"{row['virial_error']:.1e}",
            f"{row['energy_error_eV']:.0e}",
        ]
        + [row["launches"], "identical" if row["repeats_are_identical"] else "differ"]
        for model, row in right
    ]
    parts.append(markdown_table(head, rows))
    head = ["ms a step (tenth to ninetieth of a hundred), and GiB", *(f"{n:,} atoms" for n in sizes(told["bare"]))]
    named = dict.fromkeys(key.rsplit(", ", 1)[0] for key in told["bare"] if key != "seconds")
    rows = [[f"`{model}`, by itself", *by_size(told["bare"], model)] for model in named]
    rows += [
        [f"OpenMM's step with {name} in it", *by_size(told["inside_openmm"], name)] for name in ("kernels", "nothing")
    ]
    parts.append(markdown_table(head, rows))
    for atoms, times in told["launches"].items():
        if isinstance(times, dict):
            longest = [(name, us) for name, us in times.items() if name != "sum"][:12]
            rows = [
                [f"`{name}`", f"{often:.0f}", f"{us:.0f}", f"{100 * us / times['sum']:.0f}"]
                for name, (us, often) in longest
            ]
            head = [f"kernels of a step, {atoms}", "launches", f"µs, of {times['sum']:.0f} in all", "%"]
            parts.append(markdown_table(head, rows))
    return "\n\n".join(parts)


def sizes(stage) -> list[int]:
    """Numbers of atoms, in order."""
    return sorted({int(key.rsplit(", ", 1)[1].split()[0]) for key in stage if key != "seconds"})


def by_size(stage, name) -> list[str]:
    """A cell for each number of atoms."""
    cells = []
    for atoms in sizes(stage):
        row = stage[f"{name}, {atoms} atoms"]
        middle, low, high = row["ms"]
        memory = f"; {row['GiB']:.2g}" if row.get("GiB") else ""
        cells.append(f"{middle:.3g} ({low:.3g} to {high:.3g}){memory}")
    return cells


def machine(told) -> str:
    """What a run was taken on."""
    versions = ", ".join(f"{name} {number}" for name, number in told["versions"].items())
    load = "" if told["load"] is None else f" The load before was {told['load']}."
    return f"On {told['gpu'] or told['processor']}, {counted(told['cores'], 'core')}; {versions}.{load}"


def table(costs) -> str:
    """All figures."""
    head = [
        "what",
        "atoms",
        "threads",
        "ms/step",
        "middle four fifths",
        "µs/atom",
        "ns/day",
        "classical steps",
        "kB/atom",
    ]
    rows = []
    for cost in costs:
        if cost.failed:
            rows.append([cost.what, f"{cost.atoms:,}", cost.threads, f"failed: {cost.failed}", *[""] * 5])
            continue
        steps = classical_steps(cost, costs)
        rows.append(
            [
                cost.what,
                f"{cost.atoms:,}",
                cost.threads,
                f"{cost.ms:.4g}",
                f"{cost.low:.4g} to {cost.high:.4g}",
                f"{cost.us_per_atom:.3g}",
                f"{cost.ns_per_day:.3g}",
                "" if steps is None else f"{steps:.2g}",
                "" if cost.kb_per_atom is None else f"{cost.kb_per_atom:.0f}",
            ]
        )
    return markdown_table(head, rows)


if __name__ == "__main__":
    main()
