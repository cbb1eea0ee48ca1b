"""The rhythm of a kubelet against its plain twin, on sample times of any kind."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from heapfast.scrape._rhythm import Rhythm
from heapfast.sim._rows import rows_of
from tests.unit.store.rows import T0_NS, Row, container, node

MS_NS = 1_000_000
RESOLUTION_MS = 15_000

#: Milliseconds after T0; None for a sample without a time.
Times = list[int | None]


def last_round(times: Times) -> tuple[int, bool] | None:
    """The last sample of the newest round, where nine tenths belong to that or to the one before; and if 8 do."""
    known = sorted(time for time in times if time is not None)
    if not known:
        return None
    newest = [time for time in known if known[-1] - time <= 2_000]
    others = known[: len(known) - len(newest)]
    if len(newest) * 10 >= len(known) * 9:
        return known[-1], len(newest) >= 8
    before = [time for time in others if others[-1] - time <= 2_000]
    together = len(newest) + len(before)
    return (others[-1], together >= 8) if together * 10 >= len(known) * 9 else None


def common(a: int, b: int) -> int:
    while b > 200:
        a, b = b, min(a % b, b - a % b)
    return a


@dataclass
class Twin:
    """What Rhythm does, in plain words. Times are milliseconds after T0."""

    newest: int | None = None
    period: int = 0
    lag: int = 150
    agreed: int = 0
    strikes: int = 0
    is_missed: bool = False
    is_whole: bool = False

    def follow(self, times: Times, asked: int, *, is_placed: bool) -> int:
        last = last_round(times)
        if last is None:
            self._strike(None)
        else:
            self._learn(*last)
            self._note_age(asked)
        if self.agreed < 4 or self.newest is None:
            return -1
        step = self._step()
        if step is None or step <= 2 * self.lag:
            return -1
        if not is_placed and (asked - self.newest) % step <= 2 * self.lag:
            return -1
        return int((self.newest + self.lag) % step)

    def _learn(self, last: int, are_many: bool) -> None:
        if self.newest is None:
            self.newest = last
            return
        apart = last - self.newest
        if abs(apart) <= 200:
            return
        if apart < 0:
            self._strike(last)
        elif self.period == 0:
            self.newest = last
            self.period = apart if 4_000 <= apart <= 120_000 else 0
        else:
            self._compare(last, apart, are_many)

    def _compare(self, last: int, apart: int, are_many: bool) -> None:
        periods = (apart + self.period // 2) // self.period
        rest = apart - periods * self.period
        if periods and abs(rest) <= 200:
            self.newest = last
            self.period = (4 * periods * self.period + rest + 2 * periods) // (4 * periods)
            self.strikes, self.is_missed = 0, False
            self.agreed = min(4, self.agreed + 1 + are_many) if self.agreed < 4 else self.agreed + 1
            if self.agreed > 255:
                self.agreed, self.lag, self.is_whole = 4, max(150, self.lag // 2), False
        elif common(self.period, apart) >= 4_000:
            self.newest, self.period = last, common(self.period, apart)
            self.agreed, self.strikes, self.is_missed = 0, 0, False
        elif self.agreed < 4:
            self._begin(last)
        else:
            self._strike(last)

    def _strike(self, last: int | None) -> None:
        self.strikes += 1
        if self.strikes >= 3:
            self._begin(last)

    def _begin(self, last: int | None) -> None:
        self.__init__(newest=last)  # type: ignore[misc]

    def _note_age(self, asked: int) -> None:
        if self.newest is None:
            return
        age = asked - self.newest
        self.is_whole |= age > 10_050
        overdue = age - self.period
        if self.agreed >= 4 and not self.is_missed and 50 <= overdue < self.period // 2:
            self.is_missed = True
            self.lag = min(2 * self.lag, 120_000)

    def _step(self) -> int | None:
        period = self.period
        if not self.is_whole and period > 10_000 and (period + 200) % 10_000 <= 400:
            period = 10_000
        step = common(RESOLUTION_MS, period)
        return RESOLUTION_MS // ((RESOLUTION_MS + step // 2) // step) if step >= 2_000 else None


def _rows(times: Times) -> list[Row]:
    rows = [node(at=T0_NS)] if not times else []
    for i, time in enumerate(times):
        row = container("d", f"p{i}", "c", at=T0_NS)
        row["sample_ns"] = None if time is None else T0_NS + time * MS_NS
        rows.append(row)
    return rows


STEADY = st.builds(
    lambda period, offset, jitter, spread: (period, offset, jitter, spread),
    st.sampled_from([4_000, 5_000, 7_500, 10_000, 10_013, 15_000, 20_000, 30_000, 60_000]),
    st.integers(0, 60_000),
    st.integers(0, 260),
    st.integers(0, 2_400),
)


@st.composite
def answers(draw: st.DrawFn) -> list[tuple[Times, int, bool]]:
    """What a kubelet says when it is asked about every 15 s: mostly a rhythm, with what may break it."""
    period, offset, jitter, spread = draw(STEADY)
    found: list[tuple[Times, int, bool]] = []
    asked = 100_000
    for _ in range(draw(st.integers(1, 25))):
        asked += draw(st.sampled_from([15_000, 15_000, 15_000, 3_000, 1_234, 300_000]))
        kind = draw(st.sampled_from(["steady"] * 12 + ["odd", "late", "step", "empty"]))
        if kind == "step":
            offset += draw(st.integers(-100_000, 100_000))
        n = draw(st.integers(1, 12))
        late = draw(st.integers(0, 12_000)) if kind == "late" else 0
        times: Times = []
        for i in range(n):
            moment = offset - spread * i // n
            at = (
                asked
                - late
                - (asked - late - moment) % period
                + draw(st.integers(-jitter, jitter) if jitter else st.just(0))
            )
            times.append(at if kind != "odd" else draw(st.one_of(st.none(), st.integers(0, asked))))
        found.append(
            ([] if kind == "empty" else [None if t is None else max(1, t) for t in times], asked, draw(st.booleans()))
        )
    return found


@given(answers())
@settings(max_examples=300, deadline=None)
def test_a_rhythm_is_what_its_twin_says(told: list[tuple[Times, int, bool]]) -> None:
    rhythm, twin = Rhythm(), Twin()
    for times, asked, is_placed in told:
        end_ns = T0_NS + asked // RESOLUTION_MS * RESOLUTION_MS * MS_NS
        rows = _rows(times)
        found = rhythm.follow(rows_of(rows), T0_NS + asked * MS_NS, end_ns, RESOLUTION_MS * MS_NS, is_placed)
        wanted = twin.follow(times or [0], asked, is_placed=is_placed)
        assert found == wanted
        assert (rhythm.period_ms, rhythm.lag_ms, rhythm.is_steady) == (twin.period, twin.lag, twin.agreed >= 4)


def test_a_sample_that_was_late_once_is_asked_for_later_for_a_while() -> None:
    rhythm, twin = Rhythm(), Twin()
    lags: list[int] = []
    for i in range(1, 600):
        # The one sample that is not there yet when it is asked for.
        asked, last = 10_000 * i + 160, 10_000 * (i - 1 if i == 20 else i)
        found = rhythm.follow(rows_of(_rows([last])), T0_NS + asked * MS_NS, T0_NS, RESOLUTION_MS * MS_NS, True)
        assert found == twin.follow([last], asked, is_placed=True)
        assert rhythm.lag_ms == twin.lag
        lags.append(rhythm.lag_ms)
    assert rhythm.is_steady
    assert (set(lags[:19]), set(lags[19:200]), set(lags[300:])) == ({150}, {300}, {150})
