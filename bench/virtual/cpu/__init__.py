"""The emulated Cortex-M core: memories and bus in, instructions, exact cycles and faults out."""

from bench.virtual.cpu.activity import INSTRUCTION_CLASSES, Activity, InstructionClass
from bench.virtual.cpu.core import Cpu
from bench.virtual.cpu.interface import AccessFault, Bus, Memory, Region, StopReason, allocate
from bench.virtual.cpu.system import Cfsr, ExceptionNumber, Hfsr, SystemControl
from bench.virtual.cpu.timing import CodeBlock, CoreTiming, DivideTiming, EdgeCost, FlashAccelerator
from bench.virtual.cpu.timing_m4 import CortexM4Timing

__all__ = [
    "INSTRUCTION_CLASSES",
    "AccessFault",
    "Activity",
    "Bus",
    "Cfsr",
    "CodeBlock",
    "CoreTiming",
    "CortexM4Timing",
    "Cpu",
    "DivideTiming",
    "EdgeCost",
    "ExceptionNumber",
    "FlashAccelerator",
    "Hfsr",
    "InstructionClass",
    "Memory",
    "Region",
    "StopReason",
    "SystemControl",
    "allocate",
]
