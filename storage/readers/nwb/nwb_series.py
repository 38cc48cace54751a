"""Where the samples of an NWB time series lie in its file, to be read span by span after the file was closed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from storage.readers.foreign.hdf5_files import dataset_at
from storage.readers.nwb.nwb_tables import stored_in
from storage.readers.recording import Refusal

if TYPE_CHECKING:
    import h5py


@dataclass(frozen=True)
class Samples:
    """A series' values, (n_samples,) or (n_samples, n_columns), and times in seconds, still in the file."""

    where: str
    refused: Refusal
    data: str
    shape: tuple[int, ...]
    conversion: float
    offset: float
    timestamps: str | None
    starting_time_s: float
    rate_hz: float

    def __len__(self) -> int:
        return self.shape[0]

    def values(self, file: "h5py.File", start: int, stop: int, column: int | None = None) -> np.ndarray:
        """Samples start to stop in the series' unit: as stored where nothing has to be converted."""
        dataset = file[self.data]  # seen to be sound when the file was first read
        stored = np.asarray(dataset[start:stop] if column is None else dataset[start:stop, column])
        if self.conversion == 1 and self.offset == 0:
            return stored
        return stored * self.conversion + self.offset

    def time_s(self, file: "h5py.File", start: int, stop: int) -> np.ndarray:
        """Times of samples start to stop, float64 seconds, as the file says them."""
        if self.timestamps is None:
            return self.starting_time_s + np.arange(start, stop) / self.rate_hz
        return file[self.timestamps][start:stop].astype(np.float64)


def samples_of(series: Any, where: str, refused: Refusal, *, kinds: str = "fiu") -> Samples:
    """The series' samples. Raises what ``refused`` makes for none, other data, or no way to tell their times."""
    data = stored_in(series.data)
    if data is None or data.ndim not in (1, 2) or not len(data) or data.dtype.kind not in kinds:
        found = "no dataset" if data is None else f"{data.dtype} of shape {data.shape}"
        expected = "numbers of shape (n_samples,) or (n_samples, n_columns)"
        raise refused(field=f"{where} data", found=found, expected=expected)
    dataset_at(data.file, data.name, refused, kinds=kinds)
    conversion, offset = (1.0 if series.conversion is None else series.conversion), series.offset or 0.0
    if not np.isfinite([conversion, offset]).all():
        found = f"{conversion} and {offset}"
        raise refused(field=f"{where} conversion", found=found, expected="a finite factor and a finite offset")
    converted = float(conversion), float(offset)
    return Samples(
        where, refused, data.name, tuple(data.shape), *converted, *_timing(series, len(data), where, refused)
    )


def _timing(series: Any, n_samples: int, where: str, refused: Refusal) -> tuple[str | None, float, float]:
    if series.timestamps is None:
        rate_hz, starting_time_s = series.rate, series.starting_time or 0.0
        if not rate_hz or not np.isfinite(rate_hz) or rate_hz < 0 or not np.isfinite(starting_time_s):
            found = f"{rate_hz} from {starting_time_s} s"
            raise refused(field=f"{where} rate", found=found, expected="timestamps, or a rate above 0 Hz")
        return None, float(starting_time_s), float(rate_hz)
    stored = stored_in(series.timestamps)
    if stored is None:
        raise refused(field=f"{where} timestamps", found="no dataset", expected="one time for each frame")
    dataset = dataset_at(stored.file, stored.name, refused)
    if dataset.shape != (n_samples,):
        found = f"{dataset.size} timestamps for {n_samples} frames"
        raise refused(field=f"{where} timestamps", found=found, expected="one time for each frame")
    return dataset.name, 0.0, 0.0
