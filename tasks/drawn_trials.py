"""Single trials of a group of sessions, gathered one session at a time within bounded memory."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

MOST_TRIALS = 200_000


@dataclass
class DrawnTrials:
    """At most ``most`` rows, drawn evenly among all that were added: each has a random key, the smallest stay.

    A row is one cell's response to one event: (n_times,) float32, its label and its mouse.
    """

    most: int = MOST_TRIALS
    seed: int = 0
    n_added: int = 0
    n_events: int = 0
    mice: list[str] = field(default_factory=list)
    _values: list[NDArray[np.float32]] = field(default_factory=list)
    _keys: list[NDArray[np.float64]] = field(default_factory=list)
    _labels: list[NDArray[np.int64]] = field(default_factory=list)
    _mouse: list[NDArray[np.int64]] = field(default_factory=list)
    _largest_key: float = 1.0

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    def add(self, values: NDArray[np.float32], omitted: NDArray[np.bool_], mouse_id: str) -> None:
        """Add a session's responses (n_units, n_events, n_times), of which missing ones, NaN, are no rows."""
        n_units, n_events, n_times = values.shape
        if mouse_id not in self.mice:
            self.mice.append(mouse_id)
        rows = np.flatnonzero(np.isfinite(values).all(axis=2).ravel())
        self.n_added += len(rows)
        self.n_events += n_events
        key = self._rng.random(len(rows))
        rows, key = rows[key < self._largest_key], key[key < self._largest_key]
        self._values.append(values.reshape(-1, n_times)[rows])
        self._keys.append(key)
        self._labels.append(np.tile(omitted, n_units)[rows].astype(np.int64))
        self._mouse.append(np.full(len(rows), self.mice.index(mouse_id)))
        if sum(map(len, self._keys)) > self.most:
            self._keep_smallest()

    @property
    def values(self) -> NDArray[np.float32]:
        """The rows drawn, (n_rows, n_times)."""
        return np.concatenate(self._values)

    @property
    def y(self) -> NDArray[np.int64]:
        """1 for omitted, (n_rows,)."""
        return np.concatenate(self._labels)

    @property
    def mouse(self) -> NDArray[np.int64]:
        """Place of each row's mouse in ``mice``, (n_rows,)."""
        return np.concatenate(self._mouse)

    def _keep_smallest(self) -> None:
        keys = np.concatenate(self._keys)
        kept = np.sort(np.argpartition(keys, self.most)[: self.most])
        values, y, mouse = self.values[kept], self.y[kept], self.mouse[kept]
        self._values, self._labels, self._mouse, self._keys = [values], [y], [mouse], [keys[kept]]
        self._largest_key = float(keys[kept].max())
