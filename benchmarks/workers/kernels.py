"""The kernels that a compiled GPU program launches, read from its optimized HLO text.

After XLA's passes every instruction at the top of a computation is one launch, except those that
only name memory (`NOTHING`). The text was compared with XLA's own list of launches (`--xla_dump_to`
writes `thunk_sequence_after_thunk_passes.txt`) for the fused flip-flop: the same kernels. A matrix
product handed to cuBLAS counts once, though cuBLAS may launch more than one kernel for it.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

NOTHING = {
    "parameter",
    "constant",
    "get-tuple-element",
    "tuple",
    "bitcast",
    "after-all",
    "add-dependency",
    "opt-barrier",
    "partition-id",
    "replica-id",
}
"""Instructions that launch nothing."""

PACKAGE = "/rnnensemble/"
"""What the path of a source file of ours holds."""


class Kernel(NamedTuple):
    """One instruction that launches.

    Attributes:
        name: Of the instruction.
        operation: `fusion`, `copy`, `sort`, or the target of a custom call.
        shape: Of its result, or the first of its results.
        times: Launches a call of the computation asked for, by the trip counts of loops around it.
        operation_name: JAX's name of the primitive that its last operation came from.
        lines: Innermost lines of our package that its operations came from, the last one first.
        part: `tasks`, `networks`, the file of our package that it came from, or `other`.
    """

    name: str
    operation: str
    shape: str
    times: int
    operation_name: str
    lines: tuple[str, ...]
    part: str


class Instruction(NamedTuple):
    """One line of a computation."""

    name: str
    operation: str
    text: str


def computations(text: str) -> tuple[dict[str, list[Instruction]], str]:
    """The instructions of each computation, and the name of the entry."""
    found: dict[str, list[Instruction]] = {}
    current, entry = "", ""
    for line in text.splitlines():
        head = re.match(r"(ENTRY )?%?([\w.\-]+) \(.*\{\s*$", line)
        if head and " = " not in line.split("(")[0]:
            current = head[2]
            found[current] = []
            entry = current if head[1] else entry
        elif current and (start := re.match(r"\s+(?:ROOT )?%?([\w.\-]+) = ", line)):
            found[current].append(Instruction(start[1], _operation(line), line))
    return found, entry


def _operation(line: str) -> str:
    """What stands after the shape, which may be a tuple."""
    rest, depth = line.split(" = ", 1)[1], 0
    for place, letter in enumerate(rest):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == " " and depth == 0:
            word = re.match(r"[\w\-]+", rest[place + 1 :])
            return word[0] if word else ""
    return ""


def _inner(instruction: Instruction) -> list[tuple[str, int]]:
    """The computations that control flow enters, and how often; a branch of each conditional."""
    text = instruction.text
    if instruction.operation == "while":
        return [(_named("body", text), trips(text) or 1)]
    if instruction.operation == "call":
        return [(_named("to_apply", text), 1)]
    listed = re.search(r"branch_computations=\{([^}]*)\}", text)
    names = (
        re.findall(r"[\w.\-]+", listed[1])
        if listed
        else re.findall(r"(?:true|false)_computation=%?([\w.\-]+)", text)
    )
    return [(name, 1) for name in names]


def _named(attribute: str, text: str) -> str:
    found = re.search(rf"\b{attribute}=%?([\w.\-]+)", text)
    return found[1] if found else ""


def trips(text: str) -> int | None:
    """How often a loop runs, if the compiler knows."""
    found = re.search(r'known_trip_count":\{"n":"(\d+)"', text)
    return int(found[1]) if found else None


def kernels(text: str, loop: int | None = None) -> list[Kernel]:
    """What one call launches, in order.

    Args:
        text: The optimized HLO module, `compiled.as_text()`.
        loop: Trip count of the loop whose body is asked for; the whole program without it.

    Returns:
        The kernels, those in loops with their trip counts (1 where it is unknown), and of each
        conditional those of the branch that launches most.

    Raises:
        ValueError: If there is not exactly one such loop.
    """
    found, entry = computations(text)
    start = entry
    if loop is not None:
        each = [i for lines in found.values() for i in lines if i.operation == "while"]
        bodies = [_named("body", i.text) for i in each if trips(i.text) == loop]
        if len(bodies) != 1:
            raise ValueError(f"Expected one loop of {loop} steps; found {len(bodies)}.")
        start = bodies[0]
    stacks = Stacks(text)

    def walk(name: str, times: int) -> list[Kernel]:
        listed = []
        for instruction in found[name]:
            operation = instruction.operation
            if operation in ("while", "call", "conditional"):
                branches = [walk(inner, times * count) for inner, count in _inner(instruction)]
                listed += max(branches, key=launches)
            elif operation not in NOTHING and not operation.endswith("-done"):
                listed.append(_kernel(instruction, times, found, stacks))
        return listed

    return walk(start, 1)


def open_loops(text: str) -> int:
    """Loops whose trip counts the compiler does not know; they make counts a lower bound."""
    listed, _ = computations(text)
    loops = [i for lines in listed.values() for i in lines if i.operation == "while"]
    return sum(trips(loop.text) is None for loop in loops)


def launches(listed: list[Kernel]) -> int:
    """How many launches that is."""
    return sum(kernel.times for kernel in listed)


def _kernel(
    instruction: Instruction, times: int, found: dict[str, list[Instruction]], stacks: "Stacks"
) -> Kernel:
    text, operation = instruction.text, instruction.operation
    if operation == "custom-call":
        target = re.search(r'custom_call_target="([^"]*)"', text)
        operation = target[1] if target else operation
    inside = found.get(_named("calls", text), [])
    chains = [stacks.chain(each) for each in (text, *(i.text for i in reversed(inside)))]
    lines = tuple(dict.fromkeys(chain[-1] for chain in chains if chain))  # each once, in order
    primitive = re.search(r'op_name="([^"]*)"', text)
    shape = re.search(r"\w+\[[\d,]*\]", text.split(" = ", 1)[1])
    return Kernel(
        name=instruction.name,
        operation=operation,
        shape=shape[0] if shape else "",
        times=times,
        operation_name=primitive[1] if primitive else "",
        lines=lines,
        part=_part(next(filter(None, chains), ())),
    )


def _part(chain: tuple[str, ...]) -> str:
    """The room of ours that a kernel came from: `tasks`, `networks`, or the innermost file.

    What no line asked for, such as copies and the zeros that loops start from, is `other`.
    """
    rooms = [line.partition("/")[0] for line in chain]
    for room in ("tasks", "networks"):
        if room in rooms:
            return room
    file = chain[-1].partition(".py")[0].rpartition("/")[2] if chain else ""
    return "other" if file in ("", "mapping") else file


class Stacks:
    """The tables of source lines at the top of an HLO module."""

    def __init__(self, text: str) -> None:
        self.files = dict(_rows(text, "FileNames"))
        self.functions = dict(_rows(text, "FunctionNames"))
        self.places = {key: _numbers(row) for key, row in _rows(text, "FileLocations")}
        self.frames = {key: _numbers(row) for key, row in _rows(text, "StackFrames")}

    def chain(self, instruction: str) -> tuple[str, ...]:
        """Lines of our package that an instruction came from, outermost first."""
        named = re.search(r"stack_frame_id=(\d+)", instruction)
        frame, lines = int(named[1]) if named else 0, []
        while frame in self.frames:
            place = self.places[self.frames[frame]["file_location_id"]]
            path = self.files[place["file_name_id"]].strip('"')
            function = self.functions[place["function_name_id"]].strip('"')
            if PACKAGE in path:
                file = path.rpartition(PACKAGE)[2]
                lines.append(f"{file}:{place['line']} {function.rpartition('.')[2]}")
            frame = self.frames[frame]["parent_frame_id"] - 1  # counted from one; 1 is no parent
        return tuple(reversed(lines))


def _rows(text: str, table: str) -> Iterator[tuple[int, str]]:
    """The numbered rows of one table."""
    _, _, rest = text.partition(f"\n{table}\n")
    for line in rest.splitlines():
        number, _, row = line.partition(" ")
        if not number.isdigit():
            return
        yield int(number), row


def _numbers(row: str) -> dict[str, int]:
    return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", row)}
