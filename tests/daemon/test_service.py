"""What users do with jobs, and what the daemons' leases allow: on both kinds of database, without a daemon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from bench.boards import load_board
from bench.daemon.service import Service
from bench.domain.clock import ClockConfiguration
from bench.domain.job import Counts, EventKind, JobState, Lease, Status, UnitState, Work
from bench.domain.measurement import Point, Run, Verdict
from bench.domain.primitives import workload
from bench.domain.station import Source, Station
from bench.domain.sweep import PrimitiveSweep, SweepRequest
from bench.errors import UnknownName, UsageError
from bench.store.units import LeaseVoid, Wish
from tests.store.store_samples import a_run

TINY = SweepRequest(
    stations=("virtual-a",),
    primitives=(PrimitiveSweep("relu"), PrimitiveSweep("add")),
    dtypes=("fp32",),
    freq="16MHz,24MHz",
)
PAIR = replace(TINY, stations=("virtual-a", "virtual-b"))
GONE_S = 15.0


def enter(service: Service, stations: dict[str, Station], *names: str, pid: int = 1) -> int:
    """Pretend that a daemon on another host serves ``names``."""
    return service.store.rack.enter(
        host="lab", space=f"elsewhere {pid}", pid=pid, pid_started="1", stations=[stations[name] for name in names]
    )


def begin(service: Service, daemon_id: int, station: str = "virtual-a") -> Work:
    """Assign the first unit of the first lane, and start it."""
    units = service.store.units
    lease = units.assign(units.lanes()[0].id, station)
    assert lease is not None
    work = units.start(lease, daemon_id)
    assert work is not None
    return work


def run_of(work: Work, clock: int, *, accepted: bool = True) -> Run:
    """Return a run of one point of ``work``."""
    board, plan = load_board("nucleo_f446ze"), work.plan
    measured = workload(plan.primitive, dict(plan.params), plan.dtype, plan.flavor, plan.opt_level)
    configuration = ClockConfiguration.parse(plan.clock_ids[clock])
    point = Point(work.lease.station, Source.VIRTUAL, board.name, board.mcu, board.core, measured, configuration)
    if accepted:
        return replace(a_run(), point=point)
    return replace(
        a_run(), point=point, verdict=Verdict.REJECTED, result=None, failure_class="run", reason="hard fault"
    )


def test_submitted_work_waits_and_is_counted(light_service: Service) -> None:
    service = light_service
    taken = service.submit(TINY, name="tonight", priority=3, by="me")
    assert (taken.images, taken.points, taken.unserved) == (2, 4, ("virtual-a",))
    job = service.job(taken.job_id)
    assert (job.name, job.priority, job.submitted_by, job.stations) == ("tonight", 3, "me", ("virtual-a",))
    assert job.counts == Counts(points=4)
    assert job.counts.missing == 4
    assert service.status(job) is Status.WAITING
    assert [unit.state for unit in service.units(job.id)] == [UnitState.WAITING] * 2
    assert [found.id for found in service.jobs(active=True)] == [job.id]
    again = service.submit(dict(job.request))  # what is kept is what a plan file says
    assert service.job(again.job_id).request == job.request


MISTAKES: tuple[tuple[Callable[[Service], object], str], ...] = (
    (lambda service: service.submit(replace(TINY, stations=("virtual-x",))), "virtual-x"),
    (lambda service: service.submit({"primitives": ["conv3d"]}), "conv3d"),
    (lambda service: service.submit({"surprise": 1}), "surprise"),
    (lambda service: service.submit(replace(TINY, freq="1GHz")), "1 GHz"),
    (lambda service: service.submit(replace(TINY, repeats=1)), "repeats"),
    (lambda service: service.submit(TINY, priority=101), "priority"),
    (lambda service: service.submit(TINY, name="x" * 81), "81"),
    (lambda service: service.submit(TINY, start_at="late"), "late"),
    (lambda service: service.submit(TINY, spares=["virtual-l"]), "no spare"),
    (lambda service: service.submit(TINY, spares=["virtual-a"]), "spare, too"),
    (lambda service: service.submit(TINY, spares=["nowhere"]), "nowhere"),
    (lambda service: service.job(7), "7"),
    (lambda service: service.pause_station("virtual-a"), "virtual-a"),
)


def test_what_is_wrong_is_refused_as_bad_usage_and_nothing_is_kept(light_service: Service) -> None:
    for mistake, words in MISTAKES:
        with pytest.raises(UsageError, match=words) as caught:
            mistake(light_service)
        assert caught.value.exit_code == 2
    assert light_service.jobs() == []


def test_the_lanes_of_equal_stations(light_service: Service) -> None:
    service = light_service

    def lanes() -> list[tuple[tuple[str, ...], int]]:
        return [(lane.stations, lane.peers) for lane in service.store.units.lanes()]

    service.submit(PAIR, spares=["virtual-c"])
    assert lanes() == [(("virtual-a", "virtual-b", "virtual-c"), 1), (("virtual-b", "virtual-a", "virtual-c"), 1)]
    assert service.cancel(1)
    taken = service.submit(replace(PAIR, stations=(*PAIR.stations, "virtual-l")), shared=True)
    assert lanes() == [(("virtual-a", "virtual-b"), 2), (("virtual-l",), 1)]
    assert taken.points == 8  # not twelve: the pair divides its four


def test_a_job_with_a_start_time_is_not_due_before_it(service: Service) -> None:
    later = service.store.jobs.clock() + timedelta(hours=1)
    job_id = service.submit(TINY, start_at=later).job_id
    assert service.status(service.job(job_id)) is Status.SCHEDULED
    assert service.store.units.lanes() == []
    earlier = service.store.jobs.clock() - timedelta(seconds=1)
    assert service.submit(TINY, start_at=earlier).job_id in {lane.job_id for lane in service.store.units.lanes()}


def test_a_unit_from_waiting_to_done(service: Service, stations: dict[str, Station]) -> None:
    daemon = enter(service, stations, "virtual-a")
    job_id = service.submit(TINY).job_id
    work = begin(service, daemon)
    place = service.stations()[0]
    assert (place.state, place.job_id, place.doing) == ("busy", job_id, work.plan.label)
    assert place.served_by == ("lab:1",)
    repository = service.store.leased(work.lease)
    repository.record(run_of(work, 0))
    assert service.job(job_id).counts == Counts(points=4, done=1, running=1)
    repository.record(run_of(work, 1, accepted=False))
    assert service.stations()[0].doing.endswith("2 of 2")
    service.store.units.finish(work.lease)
    job = service.job(job_id)
    assert job.counts == Counts(points=4, done=1, rejected=1)
    assert job.counts.missing == 2
    failure = service.failures(job_id)[0]
    assert (failure.kind, failure.text, failure.station) == (EventKind.REJECTED, "run: hard fault", "virtual-a")
    assert failure.run_id is not None
    assert service.store.repository.run(failure.run_id).reason == "hard fault"
    assert service.stations()[0].state == "idle"
    assert service.store.jobs.end() == []
    service.store.units.finish(begin(service, daemon).lease)
    assert service.store.jobs.end() == [job_id]
    assert service.store.jobs.end() == []
    assert service.status(service.job(job_id)) is Status.INCOMPLETE
    service.resume(job_id)
    assert service.job(job_id).counts == Counts(points=4, done=1)
    assert service.status(service.job(job_id)) is Status.WAITING


def test_a_sentinel_is_no_further_point_and_a_withdrawn_run_no_longer_counts(
    light_service: Service, stations: dict[str, Station]
) -> None:
    service = light_service
    daemon = enter(service, stations, "virtual-a")
    job_id = service.submit(TINY).job_id
    work = begin(service, daemon)
    repository = service.store.leased(work.lease)
    number = repository.record(run_of(work, 0))
    repository.record(replace(run_of(work, 0), sentinel=True))
    assert service.job(job_id).counts == Counts(points=4, done=1, running=1)
    repository.withdraw(number, run_of(work, 0, accepted=False))
    assert service.job(job_id).counts == Counts(points=4, rejected=1, running=1)
    repository.record(run_of(work, 0))  # the point is measured once more
    assert service.job(job_id).counts == Counts(points=4, done=1, running=1)


def test_a_lease_that_was_taken_over_records_nothing(service: Service, stations: dict[str, Station]) -> None:
    lost, alive = enter(service, stations, "virtual-a"), enter(service, stations, "virtual-a", pid=2)
    job_id = service.submit(TINY).job_id
    work = begin(service, lost)
    service.store.leased(work.lease).record(run_of(work, 0))
    service.store.rack.declare_gone(lost)
    assert [daemon.id for daemon in service.daemons() if daemon.gone] == [lost]
    assert service.store.units.reclaim([lost]) == [work.lease]
    with pytest.raises(LeaseVoid):
        service.store.leased(work.lease).record(run_of(work, 1))
    for settle in (service.store.units.finish, service.store.units.release, service.store.units.cancel):
        with pytest.raises(LeaseVoid):
            settle(work.lease)
    assert service.store.repository.counts().accepted == 1
    assert service.store.units.start(work.lease, alive) is None
    again = begin(service, alive)
    assert (again.lease.unit_id, again.lease.generation) == (work.lease.unit_id, work.lease.generation + 2)
    assert again.measured == (work.plan.clock_ids[0],)
    assert service.job(job_id).counts == Counts(points=4, done=1, running=1)


def test_pause_cancel_and_resume(service: Service, stations: dict[str, Station]) -> None:
    daemon = enter(service, stations, "virtual-a")
    job_id = service.submit(TINY).job_id
    units = service.store.units
    work = begin(service, daemon)
    queued = units.assign(units.lanes()[0].id, "virtual-a")
    assert queued is not None
    service.pause(job_id)
    service.pause(job_id)  # again does no harm
    assert units.start(queued, daemon) is None
    assert units.lanes() == []
    repository = service.store.leased(work.lease)
    repository.record(run_of(work, 0))
    assert repository.wish is Wish.PAUSE
    units.release(work.lease)
    assert service.status(service.job(job_id)) is Status.PAUSED
    service.resume(job_id)
    work = begin(service, daemon)
    assert service.cancel(job_id)
    assert not service.cancel(job_id)
    repository = service.store.leased(work.lease)
    repository.record(run_of(work, 1))
    assert repository.wish is Wish.CANCEL
    units.cancel(work.lease)
    job = service.job(job_id)
    assert service.status(job) is Status.CANCELLED
    assert (job.counts.done, job.counts.missing) == (2, 2)
    with pytest.raises(UsageError, match="nothing to pause"):
        service.pause(job_id)
    service.resume(job_id)
    assert service.job(job_id).state is JobState.OPEN
    assert len(service.units(job_id, (UnitState.WAITING,))) == 1  # the other one is complete


def test_a_station_that_fails_three_times_in_a_row_is_quarantined_with_the_first_cause(
    light_service: Service, stations: dict[str, Station]
) -> None:
    service = light_service
    rack = service.store.rack
    enter(service, stations, "virtual-a", "virtual-b")
    assert [rack.failed("virtual-a", cause, limit=3) for cause in ("first", "second")] == [False, False]
    rack.worked("virtual-a")
    assert [rack.failed("virtual-a", cause, limit=3) for cause in ("third", "fourth", "fifth")] == [False, False, True]
    place = service.stations()[0]
    assert (place.state, place.cause) == ("quarantined", "third")
    assert not service.quarantine("virtual-a", "sixth")
    assert service.stations()[0].cause == "third"
    assert service.resume_station("virtual-a")
    assert service.stations()[0].state == "idle"
    assert service.quarantine("virtual-b", "by hand")
    with pytest.raises(UnknownName):
        service.quarantine("virtual-c", "nobody serves it")


def test_a_unit_that_a_station_failed_with_goes_behind_the_others(
    light_service: Service, stations: dict[str, Station]
) -> None:
    service = light_service
    daemon = enter(service, stations, "virtual-a")
    job_id = service.submit(TINY).job_id
    first = begin(service, daemon)
    service.store.leased(first.lease).record(run_of(first, 0, accepted=False))
    service.store.units.try_again(first.lease, "connect", "no answer")
    assert service.job(job_id).counts == Counts(points=4)
    second = begin(service, daemon)
    assert second.lease.unit_id != first.lease.unit_id
    assert service.failures(job_id)[-1].text == "no answer"
    service.store.units.fail(second.lease, "build", "kernel.c:1: error")
    assert (
        service.store.units.give_up(service.store.units.lanes()[0].id, "station", "station virtual-a is quarantined")
        == 1
    )
    assert service.store.jobs.end() == [job_id]
    causes = {unit.cause for unit in service.units(job_id, (UnitState.FAILED,))}
    assert causes == {"kernel.c:1: error", "station virtual-a is quarantined"}


def test_two_daemons_never_get_the_same_unit(service: Service, stations: dict[str, Station]) -> None:
    service.submit(TINY)
    lane = service.store.units.lanes()[0]
    leases = [service.store.units.assign(lane.id, "virtual-a") for _ in range(3)]
    assert leases[2] is None
    assert len({lease.unit_id for lease in leases if lease}) == 2
    assert set(service.store.units.queued(["virtual-a"])) == {lease for lease in leases if lease}
    lease = leases[0]
    assert isinstance(lease, Lease)
    one, other = enter(service, stations, "virtual-a"), enter(service, stations, "virtual-a", pid=2)
    assert service.store.units.start(lease, one) is not None
    assert service.store.units.start(lease, other) is None


def test_a_daemon_is_gone_when_its_heart_stops_and_alive_again_when_it_beats(
    light_service: Service, stations: dict[str, Station]
) -> None:
    service = light_service
    daemon = enter(service, stations, "virtual-a")
    assert service.daemons()[0].alive
    assert [found.served_by for found in service.stations()] == [("lab:1",)]
    service.store.rack.declare_gone(daemon)
    assert service.daemons()[0].gone
    assert service.stations()[0].state == "gone"
    service.store.rack.beat(daemon, ["virtual-a"])
    assert service.daemons()[0].alive
    service.store.rack.leave(daemon)
    assert service.daemons() == []
    assert service.daemons(all_of_them=True)[0].stopped_at is not None


def test_what_a_daemon_says_of_its_station_goes_before_what_this_host_thinks(
    light_service: Service, stations: dict[str, Station]
) -> None:
    service = light_service
    service.store.rack.enter(
        host="lab",
        space="elsewhere",
        pid=1,
        pid_started="1",
        stations=[replace(stations["virtual-l"], name="virtual-a"), replace(stations["virtual-a"], name="virtual-far")],
    )
    known = service.known_stations()
    assert known["virtual-a"].board == "nucleo_l496zg"
    assert known["virtual-far"] == replace(stations["virtual-a"], name="virtual-far")
    assert service.submit(replace(TINY, stations=("virtual-far",))).unserved == ()
