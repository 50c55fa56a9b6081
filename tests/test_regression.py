"""No number of a bundled model moves unless it is meant to: energies, forces and virials as they were stored."""

import numpy as np
import pytest
import regression

STORED = dict(np.load(regression.FILE)) if regression.FILE.exists() else {}
FRAMES = {k: rest for k, *rest in regression.frames(STORED)}


@pytest.mark.parametrize("fused", [False, True], ids=["torch", "fused"])
@pytest.mark.parametrize("name", regression.MODELS)
def test_numbers_are_as_stored(name, fused):
    """1e-10 in double precision, relative to the largest force; the energy relative to itself (an absolute total)."""
    seen = 0
    for k, frame in FRAMES.items():
        for part in regression.parts_of(name):
            key = regression.key(k, name, part)
            if f"{key}/energy" not in STORED:
                continue
            energy, forces, virial = regression.computed(name, *frame, part, fused)
            assert abs(energy - STORED[f"{key}/energy"]) < 1e-10 * abs(STORED[f"{key}/energy"]) + 1e-10
            for values, what in ((forces, "forces"), (virial, "virial")):
                wanted = STORED[f"{key}/{what}"]
                assert abs(values - wanted).max() <= 1e-10 * abs(wanted).max()
            seen += 1
    assert seen >= len(regression.parts_of(name))
