"""Cre line x omission x exposure: the factors of each row, checked, and the names of their terms."""

import re
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FACTORS = ("cre_line", "omitted", "exposure_level")


@dataclass(frozen=True, eq=False)
class FactorialDesign:
    """The three factors of each row, all (n,), each cell of the design filled.

    Raises ValueError when the factors differ in shape or have missing entries, ``omitted`` isn't boolean, a factor
    has one level, a cell of the design is empty, or no row is left over beyond one for each cell.
    """

    cre_line: NDArray[np.str_]
    omitted: NDArray[np.bool_]
    exposure_level: NDArray[np.str_]

    def __post_init__(self) -> None:
        n = len(self.omitted)
        for name, factor in self.factors.items():
            if factor.shape != (n,):
                raise ValueError(f"{name} must be ({n},) like omitted, got {factor.shape}")
            if missing := int(pd.isna(factor).sum()):
                raise ValueError(f"{name} must have no missing entries, got {missing}")
        if self.factors["omitted"].dtype != np.bool_:
            raise ValueError(f"omitted must be boolean, got {self.factors['omitted'].dtype}")
        for name, found in self.levels.items():
            if len(found) < 2:
                raise ValueError(f"{name} must have at least two levels, got {list(found)}")
        present = set(zip(*(factor.astype(str) for factor in self.factors.values()), strict=True))
        empty = [cell for cell in product(*self.levels.values()) if cell not in present]
        if empty:
            named = "; ".join(" x ".join(cell) for cell in empty)
            raise ValueError(f"{len(empty)} cells of {' x '.join(FACTORS)} are empty: {named}")
        if n <= len(present):
            raise ValueError(f"{n} values leave no residual for {len(present)} cells of the design")

    @property
    def factors(self) -> dict[str, NDArray[np.generic]]:
        return {name: np.asarray(getattr(self, name)) for name in FACTORS}

    @property
    def levels(self) -> dict[str, tuple[str, ...]]:
        """The levels of each factor as text, in the order in which the first is the reference."""
        return {name: tuple(np.unique(factor.astype(str)).tolist()) for name, factor in self.factors.items()}

    def frame(self, **values: NDArray[np.floating]) -> pd.DataFrame:
        """The values, each (n,), and the factors with their levels coded, as formulas take them.

        Raises ValueError when values are not (n,), not finite, or all the same.
        """
        columns: dict[str, NDArray] = {}
        for name, given in values.items():
            column = np.asarray(given, dtype=np.float64)
            if column.shape != (len(self.omitted),):
                raise ValueError(f"values must be ({len(self.omitted)},) like omitted, got {column.shape}")
            if strays := int((~np.isfinite(column)).sum()):
                raise ValueError(f"values must be finite, got {strays} that are not")
            if column.min() == column.max():
                raise ValueError(f"values must vary, got {column[0]:g} in all {len(column)} rows")
            columns[name] = column
        # Codes, as text: booleans would be read as numbers, and a level may hold what a formula can't.
        for name, factor in self.factors.items():
            code = np.unique(factor.astype(str), return_inverse=True)[1]
            columns[name] = np.array([f"{number:03d}" for number in code])
        return pd.DataFrame(columns)

    def term(self, name: str) -> str:
        """A term or coefficient of a formula in words: 'cre_line x omitted', 'cre_line[Vip-IRES-Cre] x omitted'."""
        if name == "Intercept":
            return "intercept"
        return " x ".join(self._factor(part) for part in name.split(":"))

    def _factor(self, part: str) -> str:
        found = re.fullmatch(r"(?:C\()?(\w+?)(?:, Sum\))?(?:\[T\.(\d+)\])?", part)
        if not found:
            raise ValueError(f"a formula's term must be of {', '.join(FACTORS)}, got {part!r}")
        factor, code = found.groups()
        if code is None or factor == "omitted":
            return factor
        return f"{factor}[{self.levels[factor][int(code)]}]"
