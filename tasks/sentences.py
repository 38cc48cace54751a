"""How a report speaks: names of cells, measures and counts, and numbers with the digits that they deserve."""

import math
import re

from storage.tables import RESPONSE_FEATURES, SPIKE_FEATURES

ALPHA = 0.05
FEWEST_MICE = 5  # below this, a sentence says that mice are few
MAIN_MEASURE = "peak_dff"
PROTOCOLS = ("rigorous", "published")  # the one that conclusions rest on first

_CRE_NAMES = {"Vip-IRES-Cre": "VIP", "Sst-IRES-Cre": "SST"}
_MEASURE_NAMES = {
    "auc_dff_s": "response area",
    "slope_dff_per_s": "slope after onset",
    "fwhm_s": "width at half peak",
    "peak_to_trough_dff": "peak to trough",
    "mean_0_500ms_dff": "mean 0 to 0.5 s",
    "mean_500_1000ms_dff": "mean 0.5 to 1 s",
}
_OF_SPIKES = "spike_prob_"  # findings name so what both kinds of features call the same
_UNITS = {column.name: column.unit for table in (SPIKE_FEATURES, RESPONSE_FEATURES) for column in table.columns}


def cre_name(cre_line: str | None) -> str:
    """A driver line as it is spoken of: VIP, SST, others as they are; 'Sst-IRES-Cre - Vip-IRES-Cre': SST - VIP."""
    if not cre_line:
        return "cre line not given"
    return " - ".join(_CRE_NAMES.get(line, line) for line in cre_line.split(" - "))


def with_cre_names(text: str) -> str:
    """A text that names driver lines, with the names by which they are spoken of."""
    for line, spoken in _CRE_NAMES.items():
        text = text.replace(line, spoken)
    return text


def cre_order(cre_line: str | None) -> tuple[int, str]:
    """Sorting key: VIP, SST, then others by name."""
    known = list(_CRE_NAMES)
    return (known.index(cre_line) if cre_line in known else len(known), cre_line or "~")


def group_order(cre_line: str | None, exposure_level: str | None) -> tuple:
    """Sorting key of a group of cells: by cre line, then familiar, novel, others."""
    return (cre_order(cre_line), exposure_level or "~")


def group_name(cre_line: str | None, exposure_level: str | None) -> str:
    """Whose cells and which image sets, as a sentence starts."""
    cells = f"{cre_name(cre_line)} cells" if cre_line else "Cells without a cre line"
    sets = "all sets" if exposure_level == "all" else f"{exposure_level} sets" if exposure_level else None
    return f"{cells}, {sets or 'exposure not given'}"


def measure_name(measure: str) -> str:
    """A feature's plain name, without its unit; those of spike probability are named as those of dF/F."""
    measure = measure.removeprefix(_OF_SPIKES).replace("_spike_prob", "_dff")
    return _MEASURE_NAMES.get(measure, measure.removesuffix("_dff2").removesuffix("_dff").removesuffix("_s")).replace(
        "_", " "
    )


def measure_unit(measure: str) -> str:
    """A feature's unit as declared, empty where it has none."""
    return _UNITS.get(measure) or _UNITS.get(measure.removeprefix(_OF_SPIKES)) or ""


def measure_with_unit(measure: str) -> str:
    """``peak (dF/F)``; two joined by ' + ' are named one after the other."""
    named = []
    for one in measure.split(" + "):
        unit = measure_unit(one).replace("^2", "²")
        named.append(f"{measure_name(one)} ({unit})" if unit else measure_name(one))
    return " + ".join(named)


def term_name(term: str) -> str:
    """A term of a model: ``cre line x omitted``; levels without their factor: ``VIP x omitted``."""
    plain = re.sub(r"(?:cre_line|exposure_level)\[(.+?)\]", lambda level: cre_name(level[1]), term)
    return with_cre_names(plain).replace("cre_line", "cre line").replace("exposure_level", "exposure")


def is_of_spikes(measure: str) -> bool:
    """Whether a measure is of inferred spike probability, not of dF/F."""
    return "spike_prob" in measure


def counted(number: int, noun: str) -> str:
    """``7 mice``, ``1 mouse``, ``1,204 cells``."""
    return f"{number:,} {noun if number == 1 else 'mice' if noun == 'mouse' else noun + 's'}"


def few(mouse_count: int) -> str:
    """A sentence's ending that warns where mice are few; empty where they aren't."""
    return f" With only {counted(mouse_count, 'mouse')}, this carries little." if mouse_count < FEWEST_MICE else ""


def p_text(p: float | None) -> str:
    """``.012``, ``.31``, ``< .001``; more digits only where rounding would hide on which side of .05 it lies."""
    if p is None or math.isnan(p):
        return "-"
    if p < 0.001:
        return "< .001"
    decimals = 4 if round(p, 3) == ALPHA and p != ALPHA else 3 if p < 0.1 else 2
    return f"{p:.{decimals}f}".removeprefix("0")


def p_clause(p: float | None) -> str:
    """``p = .012``, ``p < .001``, ``no p value``."""
    text = p_text(p)
    return {"-": "no p value", "<": f"p {text}"}.get(text[0], f"p = {text}")


def dof_text(dof: float | None) -> str:
    """Degrees of freedom: whole where they are, with one decimal (Welch) where not."""
    return "-" if dof is None else f"{dof:,.0f}" if float(dof).is_integer() else f"{dof:,.1f}"


def decimals_for(spread: float | None) -> int:
    """Decimals that show two digits of an interval's half width, and no more."""
    if not spread or not math.isfinite(spread):
        return 3
    return min(max(1 - math.floor(math.log10(abs(spread))), 0), 6)


def fixed(value: float, decimals: int, sign: str = "") -> str:
    """A number with so many decimals; ``sign='+'`` shows a plus; never ``-0.00``."""
    return f"{round(value, decimals) + 0.0:{sign},.{decimals}f}"


def with_interval(value: float, low: float | None, high: float | None, sign: str = "") -> tuple[str, str]:
    """A number, and its interval as ``0.018 to 0.066`` ('-' where there is none), in the digits of the interval."""
    if low is None or high is None:
        return fixed(value, decimals_for(abs(value)), sign), "-"
    decimals = decimals_for((high - low) / 2)
    return fixed(value, decimals, sign), f"{fixed(low, decimals)} to {fixed(high, decimals)}"


def percent(share: float) -> str:
    """``71 %``."""
    return f"{100 * share:.0f} %"


def one_line(text: str) -> str:
    """Without line breaks or control characters, which a file's name may hold."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
