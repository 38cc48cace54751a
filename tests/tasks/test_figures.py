import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from PIL import Image

from tasks.figures import DECODER_COLORS, as_png, confusion_figure, roc_figure
from tasks.figures_decoding import calibration_figure, decoder_figures, probability_figure, reliability


def predictions(decoders: tuple[str, ...] = ("LR", "SVM", "XGB")) -> pl.DataFrame:
    """40 rows per decoder, of which every fourth answer is wrong."""
    truth = ["presented", "omitted"] * 20
    wrong = [row % 4 == 0 for row in range(40)]
    said = [{"presented": "omitted", "omitted": "presented"}[t] if w else t for t, w in zip(truth, wrong, strict=True)]
    one = pl.DataFrame(
        {"unit_id": range(40), "truth": truth, "predicted": said, "score": [float(s == "omitted") for s in said]}
    ).with_columns(
        protocol=pl.lit("rigorous"), target=pl.lit("condition"), scheme=pl.lit("leave_one_mouse_out"),
        session_id=pl.lit("s"), condition=pl.col("truth"), fold=pl.lit("m1"),
    )  # fmt: skip
    return pl.concat([one.with_columns(decoder=pl.lit(name)) for name in decoders])


def texts(figure: Figure) -> str:
    found = [text.get_text() for text in figure.texts]
    return " ".join(found + [text.get_text() for axes in figure.axes for text in axes.texts])


def test_roc_has_a_curve_per_decoder_with_its_area():
    figure = roc_figure(predictions(), "rigorous")
    lines = figure.axes[0].lines
    assert [line.get_label() for line in lines] == ["chance", "LR  AUC 0.75", "SVM  AUC 0.75", "XGB  AUC 0.75"]
    assert [line.get_color() for line in lines[1:]] == [DECODER_COLORS[name] for name in ("LR", "SVM", "XGB")]


def test_confusion_counts_and_row_percent():
    figure = confusion_figure(predictions(("LR",)), "rigorous")
    assert [text.get_text() for text in figure.axes[0].texts] == ["10\n50 %", "10\n50 %", "0\n0 %", "20\n100 %"]


def test_only_left_out_mice_of_the_protocol_are_shown():
    others = pl.concat(
        [
            predictions(("RF",)).with_columns(scheme=pl.lit("test")),
            predictions(("GB",)).with_columns(protocol=pl.lit("published")),
            predictions(("LR",)),
        ]
    )
    assert len(roc_figure(others, "rigorous").axes[0].lines) == 2
    assert [axes.get_title() for axes in confusion_figure(others, "rigorous").axes] == ["LR"]


def test_one_class_is_said_and_not_drawn():
    one_class = predictions().filter(truth="omitted")
    assert "one class" in texts(roc_figure(one_class, "rigorous"))
    assert "no rows" in texts(confusion_figure(one_class, "rigorous"))


def test_nothing_to_draw_is_said_or_left_out():
    none = predictions().clear()
    assert all(texts(draw(none, "rigorous")) for draw in (roc_figure, confusion_figure))
    assert decoder_figures(none, "rigorous", "condition") == ()


def test_cell_types_are_named_and_their_scores_belong_to_the_second_line():
    lines = {"presented": "Sst-IRES-Cre", "omitted": "Vip-IRES-Cre"}
    rows = predictions(("LR",)).with_columns(
        pl.col("truth", "predicted").replace_strict(lines), target=pl.lit("cre_line")
    )
    axes = roc_figure(rows, "rigorous", "cre_line").axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == (
        "SST cells taken for VIP cells (share)",
        "VIP cells found (share)",
    )
    assert axes.lines[1].get_label() == "LR  AUC 0.75"
    confusion = confusion_figure(rows, "rigorous", "cre_line").axes[0]
    assert [tick.get_text() for tick in confusion.get_xticklabels()] == ["SST", "VIP"]


def test_reliability_is_the_share_in_each_bin_with_rows_enough():
    probability = np.array([0.12] * 10 + [0.88] * 5 + [0.5] * 4)
    truth = np.array([1] + [0] * 9 + [1] * 5 + [1] * 4)
    given, came = reliability(probability, truth)
    np.testing.assert_allclose(given, [0.12, 0.88])
    np.testing.assert_allclose(came, [0.1, 1.0])


def test_scores_that_are_no_probabilities_have_no_calibration():
    distances = predictions().with_columns(
        score=pl.when(pl.col("decoder") == "SVM").then(pl.col("score") * 4 - 2).otherwise(pl.col("score"))
    )
    labels = [line.get_label() for line in calibration_figure(distances, "condition").axes[0].lines]
    assert labels == ["calibrated", "LR", "XGB"]
    panels = {axes.get_title(): axes.get_xlabel() for axes in probability_figure(distances, "condition").axes}
    assert (panels["LR"], panels["SVM"]) == ("probability", "score")


def test_the_captions_of_decoders_say_their_n():
    figures = decoder_figures(predictions(("LR",)), "rigorous", "condition")
    assert all("40 rows of 1 mice left out one by one" in figure.caption for figure in figures)


def test_pictures_have_few_colors_on_white():
    picture = Image.open(io.BytesIO(as_png(roc_figure(predictions(), "rigorous"))))
    assert picture.mode == "P"
    assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_threads_draw_the_same_pixels_as_one():
    def draw() -> bytes:
        return as_png(roc_figure(predictions(), "rigorous"))

    alone = draw()
    with ThreadPoolExecutor(2) as pool:
        assert all(found.result() == alone for found in [pool.submit(draw) for _ in range(4)])
