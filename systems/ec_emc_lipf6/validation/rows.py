"""The rows of records/validation.md: each takes a `runs.Workplace` and gives its numbers as JSON."""

import dynamics
import liquid

ROWS = {
    row.__name__: row
    for row in (
        dynamics.drift,
        dynamics.published,
        dynamics.jacobian,
        dynamics.temperatures,
        dynamics.stability,
        dynamics.along,
        dynamics.spread,
        liquid.teacher_liquid,
        liquid.rdf,
        liquid.pressure,
        liquid.molecules,
        liquid.bonds,
        liquid.spectrum,
        liquid.transport,
        dynamics.respa,
        dynamics.mistakes,
    )
}
