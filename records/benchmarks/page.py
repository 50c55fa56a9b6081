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
