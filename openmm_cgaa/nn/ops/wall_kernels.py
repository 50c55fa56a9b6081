"""Kernels of the walls between grains and inside them (`jit`)."""

from .jit import compiled


@compiled
def wall(start, sender, image, unit, distance, element, shortest, height, grad_positions, grad_shifts):
    """Energy of `height` (shortest - r)^3 over pairs too close, in float64; its gradient is added."""
    total = 0.0
    for i in range(start.size - 1):
        for e in range(start[i], start[i + 1]):
            j = sender[e]
            closer = shortest[element[i], element[j]] - distance[e]
            if closer > 0.0:
                total += 0.5 * height * closer * closer * closer  # each pair comes twice
                along = -1.5 * height * closer * closer
                for q in range(3):
                    pull = along * unit[3 * e + q]
                    grad_positions[3 * j + q] += pull
                    grad_positions[3 * i + q] -= pull
                    grad_shifts[3 * image[e] + q] += pull
    return total


@compiled
def intra_wall(start, sender, group, unit, distance, low, high, height, grad_positions):
    """Energy of `height` times the cube of how far each distance inside grains is outside its range; as `wall`."""
    total = 0.0
    for i in range(start.size - 1):
        for e in range(start[i], start[i + 1]):
            outside, side = low[group[e]] - distance[e], -1.5
            if outside <= 0.0:
                outside, side = distance[e] - high[group[e]], 1.5
            if outside > 0.0:
                total += 0.5 * height * outside * outside * outside  # each pair comes twice
                along = side * height * outside * outside
                for q in range(3):
                    pull = along * unit[3 * e + q]
                    grad_positions[3 * sender[e] + q] += pull
                    grad_positions[3 * i + q] -= pull
    return total
