"""Omitted against presented through time, session by session: a decoder at each time, single-trial and population."""

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.linear_decoders import DecoderName
from models.matched_events import equal_numbers
from models.population_decoding import SessionScores, decode_population
from models.single_trial_decoding import decode_left_out_mice, decode_stratified
from models.time_decoding import TimeCourse, course_over_mice
from models.time_folds import folds_of, stratified_folds, time_block_folds
from storage.tables import TIME_DECODING, TIME_GENERALISATION
from tasks.drawn_trials import DrawnTrials
from tasks.session_trials import SessionTrials
from tasks.study_part import StudyPart

DECODERS: tuple[DecoderName, ...] = ("logistic", "lda")
# Every third time is ten a second: dF/F hardly changes faster, and these rows grow with the square of times.
EVERY = 3
# From here on a reader must be told what accuracy is had for nothing.
_LOPSIDED = 0.6


@dataclass(frozen=True)
class SessionAbout:
    """Whose a session is, and what the mouse saw."""

    mouse_id: str
    cre_line: str | None
    exposure_level: str | None


@dataclass(frozen=True)
class _Group:
    """What is decoded together."""

    protocol: str
    cre_line: str
    exposure_level: str

    @property
    def about(self) -> str:
        return f"{self.cre_line}, {self.exposure_level}"

    def __str__(self) -> str:
        return f"{self.protocol}, {self.about}"


@dataclass(frozen=True, eq=False)
class _DecodedSession:
    """A session's population: scores by decoder, and what they rest on."""

    mouse_id: str
    scores: Mapping[DecoderName, SessionScores]
    n_folds: int
    n_events: int
    n_omitted: int


@dataclass
class _Gathered:
    """What a group's sessions leave behind once they are gone."""

    trials: DrawnTrials = field(default_factory=DrawnTrials)
    populations: list[_DecodedSession] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class _Decoded:
    """A group at one level: time courses by decoder, and columns that they share."""

    courses: Mapping[DecoderName, TimeCourse]
    counts: Mapping[str, int | float]


def decode_time(
    sessions: Iterable[SessionTrials],
    about: Mapping[str, SessionAbout],
    study_id: str,
    protocols: Sequence[str] = ("published", "rigorous"),
    advance: Callable[[str], None] = lambda _: None,
) -> StudyPart:
    """Omitted against presented at each time point, by cre line, exposure and protocol.

    ``sessions`` are taken one by one and not kept; ``about`` says whose each is, by session_id. ``advance`` is called
    once per session with a word on what was done. What the trials don't allow is left out and noted. Raises ValueError
    for sessions whose times differ.
    """
    notes: list[str] = []
    gathered, times_s = _gather(sessions, about, protocols, notes, advance)
    courses, generalised, cautions = [], [], defaultdict(list)
    for group, of_group in gathered.items():
        for level, decode in (("single_trial", _decode_trials), ("population", _decode_populations)):
            try:
                decoded = decode(of_group, group.protocol)
            except ValueError as error:
                notes.append(f"time decoding, {level}, {group}: {error}")
                continue
            for caution in _cautions(level, group.protocol, of_group, decoded.counts):
                cautions[f"time decoding, {level}, {group.protocol}: {caution}"].append(group.about)
            for decoder, course in decoded.courses.items():
                key = {"study_id": study_id, "protocol": group.protocol, "level": level, "decoder": decoder}
                key |= {"cre_line": group.cre_line, "exposure_level": group.exposure_level}
                courses.append(_course_rows(course, times_s, key | decoded.counts))
                generalised.append(_generalisation_rows(course, times_s[::EVERY], key))
    notes += [f"{caution} ({'; '.join(groups)})" for caution, groups in cautions.items()]
    rows = {TIME_DECODING: pl.concat(courses), TIME_GENERALISATION: pl.concat(generalised)} if courses else {}
    return StudyPart(rows, tuple(notes))


def _gather(
    sessions: Iterable[SessionTrials],
    about: Mapping[str, SessionAbout],
    protocols: Sequence[str],
    notes: list[str],
    advance: Callable[[str], None],
) -> tuple[dict[_Group, _Gathered], NDArray[np.float64]]:
    """Take from each session what its groups need: its population decoded, and its single trials."""
    gathered: dict[_Group, _Gathered] = {}
    times_s: NDArray[np.float64] | None = None
    for session in sessions:
        whose = about[session.session_id]
        if whose.cre_line is None or whose.exposure_level is None:
            notes.append(f"time decoding: {session.session_id} has no cre line or exposure level")
            continue
        times_s = session.times_s if times_s is None else times_s
        if not np.array_equal(times_s, session.times_s):
            raise ValueError(f"{session.session_id} has other times than the sessions before it")
        for protocol in protocols:
            group = _Group(protocol, whose.cre_line, whose.exposure_level)
            of_group = gathered.setdefault(group, _Gathered())
            try:
                of_group.trials.add(*_single_trials(session, protocol), whose.mouse_id)
                of_group.populations.append(_decode_session(session, protocol, whose.mouse_id))
            except ValueError as error:
                notes.append(f"time decoding, {protocol}, {session.session_id}: {error}")
        advance(f"decoded {session.session_id}")
    return gathered, times_s


def _single_trials(session: SessionTrials, protocol: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Values (n_units, n_events, n_times) and labels of the events that the protocol takes."""
    _refuse_one_condition(session)
    if protocol == "published":
        return session.values, session.omitted
    taken = equal_numbers(session.omitted, _rng(session))
    return session.values[:, taken], session.omitted[taken]


def _decode_session(session: SessionTrials, protocol: str, mouse_id: str) -> _DecodedSession:
    # A unit that is missing throughout would take every event with it.
    units = np.isfinite(session.values).all(axis=2).any(axis=1)
    whole = np.isfinite(session.values[units]).all(axis=(0, 2))
    X = session.values[units][:, whole].transpose(2, 1, 0)  # (n_times, n_events, n_units)
    omitted = session.omitted[whole]
    y = omitted.astype(np.int64)
    if protocol == "published":
        folds = folds_of(stratified_folds(y))
    else:
        folds = time_block_folds(session.onset_s[whole], omitted, _rng(session))
    standardise = protocol == "rigorous"
    scores = {name: decode_population(X, y, folds, name, standardise, EVERY) for name in DECODERS}
    tested = np.concatenate([fold.test for fold in folds])
    return _DecodedSession(mouse_id, scores, len(folds), len(tested), int(y[tested].sum()))


def _decode_trials(gathered: _Gathered, protocol: str) -> _Decoded:
    drawn = gathered.trials
    if drawn.n_added == 0:
        raise ValueError("no session has trials to decode")
    values, y = drawn.values, drawn.y
    if protocol == "published":
        fold = stratified_folds(y)
        courses = decode_stratified(values, y, fold, DECODERS, every=EVERY)
    else:
        if len(drawn.mice) < 2:
            raise ValueError(f"leaving one mouse out needs at least 2 mice, got {len(drawn.mice)}")
        fold = drawn.mouse
        courses = decode_left_out_mice(values, y, fold, DECODERS, every=EVERY)
    return _Decoded(courses, _counts(int(fold.max()) + 1, len(y), int(y.sum()), len(drawn.mice), drawn.n_events))


def _decode_populations(gathered: _Gathered, protocol: str) -> _Decoded:
    sessions = gathered.populations
    if not sessions:
        raise ValueError("no session has a population to decode")
    mice = sorted({session.mouse_id for session in sessions})
    courses = {}
    for name in DECODERS:
        by_mouse = [
            [
                np.mean([getattr(s.scores[name], score) for s in sessions if s.mouse_id == mouse], axis=0)
                for mouse in mice
            ]
            for score in ("auc", "accuracy", "generalisation")
        ]
        courses[name] = course_over_mice(*map(np.stack, by_mouse))
    n_events, n_omitted = sum(s.n_events for s in sessions), sum(s.n_omitted for s in sessions)
    return _Decoded(courses, _counts(sessions[0].n_folds, n_events, n_omitted, len(mice), n_events))


def _counts(n_folds: int, n_rows: int, n_omitted: int, n_mice: int, n_events: int) -> dict[str, int | float]:
    return {
        "chance_accuracy": max(n_omitted, n_rows - n_omitted) / n_rows,
        "fold_count": n_folds,
        "row_count": n_rows,
        "mouse_count": n_mice,
        "event_count": n_events,
    }


def _cautions(level: str, protocol: str, gathered: _Gathered, counts: Mapping[str, int | float]) -> Iterator[str]:
    """What a reader must know of a group's numbers before taking them at their word."""
    if level == "single_trial" and (n_left_out := gathered.trials.n_added - counts["row_count"]):
        yield f"{counts['row_count']:,} trials drawn, {n_left_out:,} left out"
    if (chance := counts["chance_accuracy"]) > _LOPSIDED:
        yield f"{chance:.0%} of rows are of one condition, so an accuracy of {chance:.2f} is chance"
    if level == "single_trial" and protocol == "published":
        return  # its p come from shuffled rows, however few the mice
    n_mice = counts["mouse_count"]
    # Swapping all mice at once leaves decoders learned across mice as they were.
    smallest = 2.0 ** -(n_mice if level == "population" else n_mice - 1)
    if n_mice < 2:
        yield "no p over a single mouse"
    elif smallest > 0.05:
        yield f"{n_mice} mice allow no p below {smallest:.3g}"


def _course_rows(course: TimeCourse, times_s: NDArray[np.float64], shared: Mapping) -> pl.DataFrame:
    scores = {name: getattr(course, name) for name in ("auc", "auc_sem", "accuracy", "accuracy_sem", "p_max")}
    frame = pl.DataFrame({"time_s": times_s, "cluster": course.cluster, "p_cluster": course.p_cluster} | scores)
    shared = {**shared, "permutation_count": course.n_permutations}
    return frame.with_columns(
        pl.col("cluster").replace(-1, None), *(pl.lit(value).alias(name) for name, value in shared.items())
    )


def _generalisation_rows(course: TimeCourse, times_s: NDArray[np.float64], key: Mapping) -> pl.DataFrame:
    n_times = len(times_s)
    columns = {"train_s": np.repeat(times_s, n_times), "test_s": np.tile(times_s, n_times)}
    frame = pl.DataFrame(columns | {"auc": course.generalisation.ravel()})
    return frame.with_columns(pl.lit(value).alias(name) for name, value in key.items())


def _refuse_one_condition(session: SessionTrials) -> None:
    n_omitted = int(session.omitted.sum())
    if n_omitted in (0, len(session.omitted)):
        raise ValueError(f"{n_omitted} of {len(session.omitted)} events are omissions, both conditions are needed")


def _rng(session: SessionTrials) -> np.random.Generator:
    """A draw of the session's own, whatever sessions come before it."""
    return np.random.default_rng(zlib.crc32(session.session_id.encode()))
