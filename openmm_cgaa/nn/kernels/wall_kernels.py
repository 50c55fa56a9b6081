"""Kernels of the walls between grains and inside them (`jit`).

A wall is `height` (distance beyond)^3; half of it belongs to either atom, and each pair stands in the rows of both.
The gradient kernels add, for an energy that weighs atom i by ``grad[i]``.
"""

from .jit import compiled


@compiled
def wall(start, sender, distance, height, shortest, element, energy):
    """Energy of each atom by other grains' atoms that are closer than `shortest` of the two elements."""
    for i in range(start.size - 1):
        for e in range(start[i], start[i + 1]):
            closer = shortest[element[i], element[sender[e]]] - distance[e]
            if closer > 0.0:
                energy[i] += 0.5 * height * closer * closer * closer


@compiled
def wall_gradient(start, sender, image, unit, distance, height, shortest, element, grad, grad_positions, grad_shifts):
    for i in range(start.size - 1):
        for e in range(start[i], start[i + 1]):
            closer = shortest[element[i], element[sender[e]]] - distance[e]
            if closer > 0.0:
                along = -1.5 * height * closer * closer * grad[i]
                for q in range(3):
                    pull = along * unit[3 * e + q]
                    grad_positions[3 * sender[e] + q] += pull
                    grad_positions[3 * i + q] -= pull
                    grad_shifts[3 * image[e] + q] += pull


@compiled
def inside(start, group, distance, height, low, high, energy):
    """Energy of each atom by distances in its grain, or across links, outside of `low` to `high` of their class."""
    for i in range(start.size - 1):
        for e in range(start[i], start[i + 1]):
            outside = max(low[group[e]] - distance[e], distance[e] - high[group[e]])
            if outside > 0.0:
                energy[i] += 0.5 * height * outside * outside * outside


@compiled
def inside_gradient(start, sender, image, group, unit, distance, height, low, high, grad, grad_positions, grad_shifts):
    for i in range(start.size - 1):
        for e in range(start[i], start[i + 1]):
            outside, side = low[group[e]] - distance[e], -1.5
            if outside <= 0.0:
                outside, side = distance[e] - high[group[e]], 1.5
            if outside > 0.0:
                along = side * height * outside * outside * grad[i]
                for q in range(3):
                    pull = along * unit[3 * e + q]
                    grad_positions[3 * sender[e] + q] += pull
                    grad_positions[3 * i + q] -= pull
                    grad_shifts[3 * image[e] + q] += pull
