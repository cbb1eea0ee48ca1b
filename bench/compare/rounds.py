"""All servers in turns: so many rounds, each in the other direction than the one before.

In      servers, a scenario, a Routine
Out     CompareResults, after each turn
Callers bench/command.py
Never   starts the simulator anew between two servers: they meet the same cluster
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

import msgspec

from bench.compare.servers import Identity, ServerSpec, identify
from bench.compare.turn import Routine, Turn, take_turn
from bench.load.floor import measure_floor
from bench.load.model import Model, WrongAnswer
from bench.load.plan import StreamOutcome
from bench.provenance import Provenance, provenance
from bench.scenarios import Scenario
from heapfast.sim.process import SimulatedProcess

#: Of the load against nothing: about what the profiles ask of 1,000 nodes.
FLOOR_PER_SECOND = 50.0


class CompareResults(msgspec.Struct, kw_only=True):
    """The file of `heapfast bench compare`.

    Attributes:
        floor: the load generator against a server that does nothing, before the first turn.
        failed: servers that could not be measured, with the reason.
    """

    provenance: Provenance
    scenario: Scenario
    routine: Routine
    servers: dict[str, Identity]
    floor: StreamOutcome
    turns: list[Turn] = []
    failed: dict[str, str] = {}


def order_of(servers: Sequence[ServerSpec], number: int) -> list[ServerSpec]:
    """Who comes when in a round: a drift of the machine must not favour the same one twice."""
    return list(servers) if number % 2 == 0 else list(reversed(servers))


async def compare(
    servers: Sequence[ServerSpec],
    scenario: Scenario,
    routine: Routine,
    rounds: int,
    tell: Callable[[str], None],
) -> AsyncIterator[CompareResults]:
    """Runs everything; gives the results so far after each turn."""
    options = scenario.options()
    tell("load against nothing")
    floor = await measure_floor(FLOOR_PER_SECOND)
    results = CompareResults(
        provenance=provenance(),
        scenario=scenario,
        routine=routine,
        servers={spec.name: identify(spec) for spec in servers},
        floor=floor.streams[0],
    )
    tell(f"simulating {scenario.nodes:,} nodes")
    model = Model(options)
    async with SimulatedProcess(options) as simulator:
        for number in range(rounds):
            for spec in order_of(servers, number):
                if spec.name in results.failed:
                    continue
                say = partial(_say, tell, f"round {number + 1} of {rounds}, {spec.name}")
                try:
                    turn = await take_turn(spec, number, scenario, simulator, model, routine, say)
                except (WrongAnswer, RuntimeError) as error:
                    results.failed[spec.name] = str(error)
                    say(str(error))
                else:
                    results.turns.append(turn)
                yield results


def _say(tell: Callable[[str], None], about: str, what: str) -> None:
    tell(f"{about}: {what}")
