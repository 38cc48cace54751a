"""What pages of reports have in common: how their templates show numbers and figures, and how a page is written."""

import base64
import io
import json
import os
import re
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from tasks.figures import CSS_PX_PER_INCH, DPI
from tasks.report_tables import mark

# A page of a run is kept in Prefect's database, and read whole with every list of artifacts: small figures.
_COLORS = 64
_HERE = Path(__file__).parent


def page_templates() -> Environment:
    """The templates beside this file, with the filters that `report_blocks.html.j2` asks for."""
    pages = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    pages.filters |= {
        "typeset": typeset,
        "whole_in_brackets": whole_in_brackets,
        "png_address": png_address,
        "png_width": png_width,
        "png_height": png_height,
        "kind": lambda block: type(block).__name__,
    }
    pages.globals |= {"mark": mark, "page_style": lambda: Markup((_HERE / "report_page.css").read_text("utf-8"))}
    return pages


def write_page(html: str, folder: Path, written_at: datetime, *names: str) -> Path:
    """Write a page into a folder as ``<date>-<name>-<name>.html``, whole or not at all."""
    plain = (re.sub(r"[^A-Za-z0-9._-]+", "-", name) for name in names)
    path = folder / f"{written_at:%Y-%m-%d}-{'-'.join(plain)}.html"
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(html, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def typeset(text: str) -> str:
    """A sentence or number with true minus signs, and no line break within a number's expression."""
    text = re.sub(r"(?<![\w.])-(?=\d)", "\N{MINUS SIGN}", text)
    return re.sub(
        r"(?<=\d) (?=%|dF/F|s\b|mice|mouse|cells?\b|ROIs?\b)|(?<=[=<]) (?=\S)|(?<=\b[pd]) (?=[=<])",
        "\N{NO-BREAK SPACE}",
        text,
    )


def whole_in_brackets(cell: str) -> str:
    """A table's cell, which may break before a bracket but not within it."""
    return re.sub(r"\([^()]{,24}\)", lambda bracket: bracket[0].replace(" ", "\N{NO-BREAK SPACE}"), cell)


def pretty(text: str) -> str:
    """JSON with a line for each value; other text as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def png_address(png: bytes) -> str:
    """The image itself, as an address."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def png_width(png: bytes) -> int:
    """Width on the page, from the header of the PNG."""
    return int.from_bytes(png[16:20], "big") * CSS_PX_PER_INCH // DPI


def png_height(png: bytes) -> int:
    """Height on the page, from the header of the PNG."""
    return int.from_bytes(png[20:24], "big") * CSS_PX_PER_INCH // DPI


def page_image(png: bytes) -> str:
    """A figure as an address for the page of a run, at one pixel for each of the page's."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image = image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)
    into = io.BytesIO()
    image.quantize(_COLORS, dither=Image.Dither.NONE).save(into, "PNG", optimize=True)
    return png_address(into.getvalue())
