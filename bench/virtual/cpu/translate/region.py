"""Which blocks are worth translating together. Pure: block numbers, counts and edges in, sets of blocks out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence


def cycles_through(blocks: Collection[int], successors: Mapping[int, Collection[int]]) -> list[list[int]]:
    """The strongly connected sets of ``blocks`` that hold a cycle (Tarjan's algorithm, without recursion), each ascending."""
    members = set(blocks)
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    found: list[list[int]] = []
    for root in sorted(members):
        if root in number:
            continue
        number[root] = low[root] = len(number)
        stack.append(root)
        on_stack.add(root)
        work = [(root, iter(sorted(successors.get(root, ()))))]
        while work:
            block, rest = work[-1]
            other = next((candidate for candidate in rest if candidate in members), None)
            if other is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[block])
                if low[block] == number[block]:
                    group = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        group.append(member)
                        if member == block:
                            break
                    if len(group) > 1 or block in successors.get(block, ()):
                        found.append(sorted(group))
            elif other not in number:
                number[other] = low[other] = len(number)
                stack.append(other)
                on_stack.add(other)
                work.append((other, iter(sorted(successors.get(other, ())))))
            elif other in on_stack:
                low[block] = min(low[block], number[other])
    return found


def hottest(work: Mapping[int, int], longest: int, instructions: Sequence[int], group: Sequence[int]) -> list[int]:
    """The blocks of ``group`` that do most work, as many as have ``longest`` instructions together; ``instructions`` goes with ``group``."""
    sizes = dict(zip(group, instructions, strict=True))
    chosen: list[int] = []
    length = 0
    for block in sorted(group, key=lambda block: (-work[block], block)):
        length += sizes[block]
        if length > longest:
            break
        chosen.append(block)
    return chosen


def busiest(work: Mapping[int, int], part: float) -> list[int]:
    """The fewest blocks that do ``part`` of the work of all, ascending."""
    left = part * sum(work.values())
    chosen = []
    for block in sorted(work, key=lambda block: (-work[block], block)):
        if left <= 0:
            break
        chosen.append(block)
        left -= work[block]
    return sorted(chosen)


def entries_of(region: Sequence[int], edges: Collection[tuple[int, int]]) -> list[int]:
    """Where a region may be entered: blocks reached from outside, and blocks that begin loops (reached from behind in the code).

    ``region`` are block numbers ordered by address.
    """
    order = {block: position for position, block in enumerate(region)}
    return [
        block
        for block in region
        if any(target == block and (source not in order or order[source] >= order[block]) for source, target in edges)
    ]
