"""Hot code, translated to code of the host: the same results, cycles and counts as the emulator with its hooks, in a fraction of the time."""

from bench.virtual.cpu.translate.translator import Translator, switched_on

__all__ = ["Translator", "switched_on"]
