"""The constants of a virtual PPK2, and the codes that it makes of currents. The host's conversion lives elsewhere and shares no code with this.

Ref: pc-nrfconnect-ppk, src/device/serialDevice.ts: a code stands for the current I = UG (r (GS r + GI) + S VDD + I0) with
r = (4 code - O) (1.8 / 163840) / R; here that is solved for the code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ADC_MAX = 0x3FFF
_TYPICAL: dict[str, tuple[float, ...]] = {
    "R": (1031.64, 101.65, 10.15, 0.94, 0.043),
    "GS": (0.0, 90.0, 15.0, 2.0, 0.06),
    "GI": (1.0, 0.97, 0.96, 0.95, 0.96),
    "O": (110.0, 75.0, 65.0, 50.0, 85.0),
    "S": (5e-8, 6e-7, 5e-6, 6e-5, 3e-3),
    "I": (-1e-7, -1.5e-6, -1.6e-5, -2e-4, -9e-3),
    "UG": (1.0, 1.0, 1.0, 1.0, 1.0),
}
"""Of the size that instruments report. All but R and UG are zero or one in an uncalibrated one."""
_SPREAD = 0.04
_VOLT_PER_COUNT = 1.8 / 163840


@dataclass(frozen=True, slots=True)
class Constants:
    """By key, five each."""

    values: dict[str, tuple[float, ...]]

    @classmethod
    def of(cls, seed: int) -> Constants:
        """Draw the constants of instrument ``seed``: within 4 % of typical ones; the user's gain is left at 1."""
        random = np.random.default_rng([0x50504B, seed])
        return cls(
            {
                key: typical
                if key == "UG"
                else tuple(float(f"{value * (1 + _SPREAD * random.uniform(-1, 1)):.6g}") for value in typical)
                for key, typical in _TYPICAL.items()
            }
        )

    def metadata(self, vdd_mv: int, mode: int) -> str:
        """The text that tells them, as the instrument writes it."""
        lines = ["Calibrated: 0"]
        lines += [
            f"{key}{number}: {value:.9g}" for key, values in self.values.items() for number, value in enumerate(values)
        ]
        lines += [f"VDD: {vdd_mv}", "HW: 9173", f"mode: {mode}", "IA: 56", "END"]
        return "\n".join(lines) + "\n"

    def codes(self, current_a: NDArray[np.float64], ranges: NDArray[np.int64], vdd_v: float) -> NDArray[np.uint32]:
        """Return the ADC codes (n,) of currents (n,) seen in ``ranges`` (n,); beyond its ends the ADC stays there."""

        def of(key: str) -> NDArray[np.float64]:
            return np.asarray(self.values[key])[ranges]

        linear = current_a / of("UG") - of("S") * vdd_v - of("I")
        square, gain = of("GS"), of("GI")
        # The root of GS r^2 + GI r = linear that is right for GS = 0, too.
        raw = 2 * linear / (gain + np.sqrt(np.maximum(gain**2 + 4 * square * linear, 0.0)))
        counts = raw * of("R") / _VOLT_PER_COUNT + of("O")
        codes: NDArray[np.uint32] = np.clip(np.rint(counts / 4), 0, ADC_MAX).astype(np.uint32)
        return codes


def words(
    codes: NDArray[np.uint32], ranges: NDArray[np.int64], first_number: int, trigger: NDArray[np.bool_]
) -> NDArray[np.uint32]:
    """Return samples (n,) as the instrument sends them; ``first_number`` counts from its power-on."""
    counter = (first_number + np.arange(codes.size)) & 0x3F
    packed = (
        codes.astype(np.uint64) | ranges.astype(np.uint64) << np.uint64(14) | counter.astype(np.uint64) << np.uint64(18)
    )
    sent: NDArray[np.uint32] = (packed | trigger.astype(np.uint64) << np.uint64(24)).astype("<u4")
    return sent
