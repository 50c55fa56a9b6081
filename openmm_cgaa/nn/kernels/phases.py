"""Steps of a network as one piece of machine code: what threads do until they wait for each other.

A step is a function (code, first, last, arrays, *sizes) that writes what happens to the rows `first` to `last` of some
arrays, on `vectors`. Steps are done block by block of a few grains, whose numbers stay in the cache. A phase is told as
a text, in JSON: numba keeps machine code under it.
"""

import functools
import json
from collections.abc import Callable, Sequence
from typing import Any

from numba import types
from numba.extending import intrinsic

from .jit import compiled
from .vectors import Array, Code, Index

ATOMS, GRAINS = "atoms", "grains"  # whose rows a step goes through
STEPS: dict[str, Callable] = {}


def step(body: Callable) -> Callable:
    """Make a step known to texts, by its name."""
    STEPS[body.__name__] = body
    return body


def each(body: Callable) -> Callable:
    """A step out of a function (code, i, arrays, *sizes) of one row."""

    @step
    @functools.wraps(body)
    def all_rows(code: Code, first: Index, last: Index, arrays: Sequence[Array], *sizes: int) -> None:
        with code.loop(first, last) as i:
            body(code, i, arrays, *sizes)

    return all_rows


@intrinsic
def perform(typing, text, first, last, addresses):
    """The steps of a text on grains `first` to `last`.

    `addresses` are those of arrays, of their rows 0 as counted in the whole system, or of the first row of each
    block. The first array is where each grain's atoms begin.
    """
    if not isinstance(text, types.StringLiteral):
        return None

    def generate(context, builder, signature, args):
        told = json.loads(text.literal_value)
        code = Code(context, builder, getattr(types, told["number"]))
        places = code.array(signature.args[3], args[3]).data
        table = []
        for k in range(told["arrays"]):
            place = builder.gep(places, [code.whole(k).value], inbounds=True)
            table.append(Index(code, builder.load(place)))
        arrays = [code.memory(address) for address in table]
        begin, end = (code.index(signature.args[k], args[k]) for k in (1, 2))
        with code.loop(begin, end, told["block"]) as grain:
            rows = {GRAINS: (grain, (grain + told["block"]).at_most(end))}
            rows[ATOMS] = tuple(arrays[0].index(each) for each in rows[GRAINS])
            for k, per, width in told["moving"]:
                arrays[k] = code.memory(table[k] - rows[per][0] * (width * code.bytes))
            for name, per, numbers, sizes in told["steps"]:
                STEPS[name](code, *rows[per], [arrays[k] for k in numbers], *sizes)
        return context.get_dummy_value()

    return types.void(text, types.int64, types.int64, addresses), generate


@functools.lru_cache(None)
def phase_kernel(text: str) -> Any:
    """The kernel (first grain, last grain, table of addresses) of a text."""

    @compiled
    def phase(first, last, table):
        perform(text, first, last, table)

    return phase
