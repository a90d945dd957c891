"""Least squares with coefficients that are not negative, for several right-hand sides of one small matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_TOLERANCE = 1e-10


def solve(matrix: Array, values: Array) -> Array:
    """Return X >= 0, shape (terms, sides), that minimises |matrix X - values| column by column.

    ``matrix``: (points, terms), ``values``: (points, sides). Columns whose free solution is not negative already are solved at once; the others by
    the active-set method of Lawson and Hanson (Solving Least Squares Problems, 1974, algorithm NNLS).
    """
    scale = np.linalg.norm(matrix, axis=0)
    scale[scale == 0] = 1.0
    scaled = matrix / scale
    free = np.linalg.lstsq(scaled, values, rcond=_TOLERANCE)[0]
    bad = np.flatnonzero((free < 0).any(axis=0))
    if bad.size:
        gram, target = scaled.T @ scaled, scaled.T @ values
        for side in bad:
            free[:, side] = _active_set(gram, target[:, side])
    result: Array = free / scale[:, None]
    return result


def _active_set(gram: Array, target: Array) -> Array:
    """Return x >= 0 that minimises x' gram x / 2 - target' x."""
    terms = len(target)
    x, passive = np.zeros(terms), np.zeros(terms, dtype=bool)
    for _ in range(6 * terms + 10):
        gradient = target - gram @ x
        candidates = np.where(passive, -np.inf, gradient)
        best = int(np.argmax(candidates))
        if candidates[best] <= _TOLERANCE * max(1.0, float(np.abs(target).max())):
            break
        passive[best] = True
        while True:
            chosen = np.flatnonzero(passive)
            part = np.linalg.lstsq(gram[np.ix_(chosen, chosen)], target[chosen], rcond=_TOLERANCE)[0]
            if (part > 0).all():
                x[:] = 0
                x[chosen] = part
                break
            below = part <= 0
            old = x[chosen]
            steps = old[below] / np.maximum(old[below] - part[below], 1e-300)
            x[chosen] = old + float(steps.min()) * (part - old)
            out = chosen[(x[chosen] <= _TOLERANCE * max(1e-300, float(x.max()))) & below]
            out = out if out.size else chosen[below][:1]
            passive[out] = False
            x[~passive] = 0
            if not passive.any():
                break
    return x
