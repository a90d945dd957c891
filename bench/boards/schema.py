"""What a board file may hold.

Every block builds its domain value while it is checked, so that whatever the domain refuses is reported with its line.
"""

from __future__ import annotations

from itertools import chain
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from bench.boards.quantities import Ampere, Bytes, Hertz, Relative, Sizes, Volt
from bench.domain import board as domain
from bench.domain.clock import Accelerator, Oscillator
from bench.errors import UsageError


class Block(BaseModel):
    """A block of keys; unknown ones are refused, and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def build(self) -> Any:
        """Return the block as a domain value. Raises ParameterError or UnknownName."""
        return None

    @model_validator(mode="after")
    def _can_be_built(self) -> Block:
        try:
            self.build()
        except UsageError as error:
            raise ValueError(f"{error.message} ({error.hint})" if error.hint else error.message) from None
        return self


def _address(value: int) -> int:
    if not 0 <= value < 1 << 32 or value % 2:
        raise ValueError("expected an even 32-bit address, like 0x08000000")
    return value


def _rising(value: list[Any]) -> list[Any]:
    if len(value) != 2 or value[0] > value[1]:
        raise ValueError("expected two values, the lower one first")
    return value


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Text = Annotated[str, Field(min_length=1)]
Address = Annotated[int, AfterValidator(_address)]
HertzRange = Annotated[list[Hertz], AfterValidator(_rising)]
VoltRange = Annotated[list[Volt], AfterValidator(_rising)]
IntRange = Annotated[list[int], AfterValidator(_rising)]


class IdentityBlock(Block):
    """Addresses of what names the chip."""

    idcode: Address
    dev_id: Annotated[int, Field(ge=0, le=0xFFF)]
    unique_id: Address
    flash_size: Address

    def build(self) -> domain.Identity:
        return domain.Identity(self.idcode, self.dev_id, self.unique_id, self.flash_size)


class MemoryBlock(Block):
    """A region of memory."""

    kind: Annotated[domain.MemoryKind, Field(strict=False)]
    base: Address
    size: Bytes
    sectors: list[Sizes] = []

    def build(self, name: str = "region") -> domain.MemoryRegion:
        return domain.MemoryRegion(name, self.kind, self.base, self.size, tuple(chain.from_iterable(self.sectors)))


class TriggerBlock(Block):
    """The trigger output."""

    port: Annotated[str, Field(pattern=r"^[A-K]$")]
    pin: Annotated[int, Field(ge=0, le=15)]
    connector: Text

    def build(self) -> domain.TriggerPin:
        return domain.TriggerPin(self.port, self.pin, self.connector)


class OscillatorBlock(Block):
    """One oscillator."""

    frequencies: Annotated[list[Hertz], Field(min_length=1)]
    tolerance: Relative
    source: Text
    automatic: bool = True

    def build(self, oscillator: Oscillator = Oscillator.HSI) -> domain.OscillatorSpec:
        return domain.OscillatorSpec(oscillator, tuple(self.frequencies), self.tolerance, self.source, self.automatic)


class PllBlock(Block):
    """The main PLL."""

    input: HertzRange
    input_preferred: Hertz
    vco: HertzRange
    output: HertzRange
    m: IntRange
    n: IntRange
    r: list[int]

    def build(self) -> domain.PllLimits:
        return domain.PllLimits(
            input_min_hz=self.input[0],
            input_max_hz=self.input[1],
            input_preferred_hz=self.input_preferred,
            vco_min_hz=self.vco[0],
            vco_max_hz=self.vco[1],
            output_min_hz=self.output[0],
            output_max_hz=self.output[1],
            m=(self.m[0], self.m[1]),
            n=(self.n[0], self.n[1]),
            r=tuple(self.r),
        )


class LevelBlock(Block):
    """One regulator level."""

    name: str
    max_sysclk: Hertz
    vos: Annotated[int, Field(ge=0, le=15)]
    overdrive: bool
    apb1_max: Hertz
    apb2_max: Hertz
    vco_max: Hertz | None = None

    def build(self) -> domain.RegulatorLevel:
        return domain.RegulatorLevel(
            self.name, self.max_sysclk, self.vos, self.overdrive, self.apb1_max, self.apb2_max, self.vco_max
        )


class FlashBlock(Block):
    """Wait states in one range of VDD."""

    vdd: VoltRange
    regulators: list[str]
    max_hclk: list[Hertz]
    prefetch: bool = True

    def build(self) -> domain.FlashTiming:
        return domain.FlashTiming(self.vdd[0], self.vdd[1], tuple(self.regulators), tuple(self.max_hclk), self.prefetch)


class ClockBlock(Block):
    """The clock tree."""

    oscillators: dict[Annotated[Oscillator, Field(strict=False)], OscillatorBlock]
    pll: PllBlock
    levels: list[LevelBlock]
    flash: list[FlashBlock]
    flash_wait_states_max: int
    ahb_dividers: list[int]
    apb_dividers: list[int]
    accelerators: dict[Annotated[Accelerator, Field(strict=False)], bool]

    def build(self) -> domain.ClockLimits:
        return domain.ClockLimits(
            oscillators=tuple(block.build(oscillator) for oscillator, block in self.oscillators.items()),
            pll=self.pll.build(),
            levels=tuple(block.build() for block in self.levels),
            flash=tuple(block.build() for block in self.flash),
            flash_wait_states_max=self.flash_wait_states_max,
            ahb_dividers=tuple(self.ahb_dividers),
            apb_dividers=tuple(self.apb_dividers),
            accelerators=frozenset(self.accelerators),
            default_accelerators=frozenset(name for name, on in self.accelerators.items() if on),
        )


class BoardFile(Block):
    """The whole file."""

    name: Name
    product: Text
    mcu: Text
    core: Text
    family: Name
    pyocd_target: Name
    documents: dict[str, str]
    identity: IdentityBlock
    memory: dict[Name, MemoryBlock]
    vdd: Volt
    idd_jumper: Text
    trigger_pin: TriggerBlock
    clock: ClockBlock
    clocks: list[Hertz]
    typical_currents: dict[Hertz, Ampere]

    def build(self) -> domain.Board:
        return domain.Board(
            name=self.name,
            product=self.product,
            mcu=self.mcu,
            core=self.core,
            family=self.family,
            pyocd_target=self.pyocd_target,
            vdd_v=self.vdd,
            idd_jumper=self.idd_jumper,
            trigger_pin=self.trigger_pin.build(),
            identity=self.identity.build(),
            memory=tuple(block.build(name) for name, block in self.memory.items()),
            limits=self.clock.build(),
            clocks_hz=tuple(self.clocks),
            typical_currents=tuple(domain.TypicalCurrent(hz, a) for hz, a in self.typical_currents.items()),
            documents=tuple(self.documents.items()),
        )
