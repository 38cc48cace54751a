"""Tables of an image-coding study, as its report shows them."""

import polars as pl

from tasks.image_coding_rows import CodingRows
from tasks.report_tables import NONE, ReportTable, whole
from tasks.sentences import PROTOCOLS, counted, p_text

_KINDS = {"image_responses": "responses", "encoding_models": "networks", "exciting_inputs": "exciting inputs"}


def sessions_table(rows: CodingRows) -> ReportTable:
    """The sessions whose responses were measured."""
    found = rows.measured
    images = rows.units.group_by("session_id").agg(pl.col("image_count").max())
    found = found.join(images, on="session_id", how="left")
    return ReportTable(
        f"{counted(len(found), 'session')}. By percentiles: oracle above its 60th and variance above its 50th, as the"
        " source chose; by reliability: the interval of the oracle lies above 0.",
        ("session", "animal", "area", "units", "images shown twice or more", "chosen by percentiles", "by reliability"),
        tuple(
            (
                row["session_id"],
                row["animal_id"] or NONE,
                row["location"] or NONE,
                *(whole(row[name]) for name in
                  ("measured_count", "image_count", "by_percentile_count", "by_reliability_count")),
            )
            for row in found.to_dicts()
        ),
        text_columns=3,
        sql=of_parts(rows, "derived.unit_reliability"),
    )  # fmt: skip


def excluded_table(rows: CodingRows) -> ReportTable:
    """Parts of the study that a session has no rows of, each with the reason."""
    return ReportTable(
        "What was not possible, session by session.",
        ("part", "session", "protocol", "reason"),
        tuple(
            (
                _KINDS[row["kind"]],
                row["session_id"],
                "both" if row["kind"] == "image_responses" else row["protocol"],
                (row["notes"] or NONE).replace("\n", "; "),
            )
            for row in rows.excluded.to_dicts()
        ),
        text_columns=4,
        grouped=True,
        shown=24,
        sql=f"SELECT kind, protocol, session_id, notes FROM findings.studies WHERE project = '{rows.study['project']}'",
    )


def units_table(rows: CodingRows) -> ReportTable:
    """Units one by one, the most reliable first."""
    found = rows.units.sort("oracle", descending=True, nulls_last=True)
    return ReportTable(
        "Units, the most reliable first. Chosen: P by percentiles, R by reliability; outlying: an isolation forest sets"
        " its responses apart.",
        ("unit", "session", "spikes", "mean count", "variance", "entropy (nats)", "oracle (95 %)", "as published",
         "split half", "Spearman-Brown", "explainable variance", "signal to noise", "outlying", "chosen"),
        tuple(
            (
                f"{row['unit_id']}",
                row["session_id"],
                whole(row["spike_count"]),
                *(number(row[name]) for name in ("mean_count", "variance", "entropy_nats")),
                with_ends(row["oracle"], row["oracle_low"], row["oracle_high"]),
                *(number(row[name]) for name in ("oracle_published", "split_half", "spearman_brown",
                                                 "explainable_variance", "signal_to_noise")),
                "yes" if row["outlying"] else "",
                "P" * row["chosen_by_percentile"] + "R" * row["chosen_by_reliability"],
            )
            for row in found.to_dicts()
        ),
        text_columns=2,
        shown=10,
        sql=of_parts(rows, "derived.unit_reliability"),
    )  # fmt: skip


def pairs_table(rows: CodingRows) -> ReportTable:
    """Pairs of units that are very much alike or opposite, and every unit's partners by SQL."""
    found = rows.pairs.sort("r", descending=True)
    return ReportTable(
        f"{counted(len(found), 'pair')} of units whose mean responses correlate above .7 or below -.55.",
        ("session", "unit", "other unit", "correlation"),
        tuple(
            (row["session_id"], f"{row['unit_id']}", f"{row['other_unit_id']}", number(row["r"]))
            for row in found.to_dicts()
        ),
        text_columns=3,
        shown=10,
        sql=of_parts(rows, "derived.unit_pairs"),
    )


def models_table(rows: CodingRows) -> ReportTable:
    """Every model side by side, both protocols, on images held out."""
    order = model_order(rows)
    by_model = {(row["protocol"], row["model"]): row for row in rows.summary.to_dicts()}
    return ReportTable(
        "Models on images held out, medians over units. Fraction of oracle: single-trial correlation by the oracle of"
        " the same trials. Noise-corrected: correlation to the mean by the noise ceiling, which is the root of the"
        " Spearman-Brown corrected split half. FEVE: explained share of the explainable variance. The last columns hold"
        " a model against the linear one that is best on these images, over the same units.",
        ("protocol", "model", "units", "correlation to the mean", "noise ceiling", "noise-corrected", "single trials",
         "fraction of oracle", "FEVE", "above the best linear (95 %)", "p"),
        tuple(
            (
                protocol,
                model,
                whole(row["unit_count"]),
                *(number(row[name]) for name in ("correlation_to_mean", "noise_ceiling", "noise_corrected_correlation",
                                                 "single_trial_correlation", "fraction_of_oracle",
                                                 "explained_explainable_variance")),
                with_ends(row["difference"], row["ci_low"], row["ci_high"]) if row["linear_model"] else NONE,
                p_text(row["p"]),
            )
            for protocol, model in order
            for row in (by_model[protocol, model],)
        ),
        text_columns=2,
        grouped=True,
        shown=24,
        sql=f"SELECT * FROM findings.image_coding WHERE study_id = '{rows.study['study_id']}'",
    )  # fmt: skip


def same_units_table(rows: CodingRows) -> ReportTable:
    """The registered networks of both protocols on the units that both have."""
    key = ["session_id", "unit_id"]
    columns = ("correlation_to_mean", "noise_corrected_correlation")
    published = rows.kept_scores("published").select(*key, *columns)
    both = rows.kept_scores("rigorous").join(published, on=key, suffix="_published").sort(key)
    return ReportTable(
        f"{counted(len(both), 'unit')} under both protocols: one network of all units, and a network for each.",
        ("unit", "session", "ceiling", *("correlation to the mean", "noise-corrected") * 2),
        tuple(
            (
                f"{row['unit_id']}",
                row["session_id"],
                number(row["noise_ceiling"]),
                *(number(row[name + end]) for end in ("", "_published") for name in columns),
            )
            for row in both.to_dicts()
        ),
        text_columns=2,
        spans=(("", 3), ("rigorous", 2), ("published", 2)),
        sql=of_parts(rows, "findings.encoding_scores", "side = 'test'"),
    )


def training_table(rows: CodingRows) -> ReportTable:
    """What each model learned from, where, and its place in the registry."""
    return ReportTable(
        "Images are split by image, never by repeat: 70 % to learn from, 15 % to end the training, 15 % held out. The"
        " registered networks carry the alias challenger, and champion where they predict more than the champion before"
        " on images that neither learned from.",
        ("protocol", "session", "model", "units", "images (train, validation, held out)", "size (px)", "epochs",
         "device", "duration (s)", "in the registry"),
        tuple(
            (
                row["protocol"],
                row["session_id"],
                row["model"],
                whole(row["unit_count"]),
                f"{row['train_count']}, {row['validation_count']}, {row['test_count']}",
                f"{row['height_px']} x {row['width_px']}",
                whole(row["epoch_count"]),
                row["device"],
                f"{row['duration_s']:.1f}",
                NONE if row["model_name"] is None else f"{row['model_name']} {row['model_version']}"
                + (" (champion)" if row["promoted"] else ""),
            )
            for row in rows.models.sort("protocol", "session_id", descending=[True, False]).to_dicts()
        ),
        text_columns=3,
        grouped=True,
        shown=16,
        sql=of_parts(rows, "findings.encoding_models"),
    )  # fmt: skip


def model_order(rows: CodingRows) -> list[tuple[str, str]]:
    """Protocol and model of every summary row: rigorous first, linear models before networks."""
    rank = {"linear": 0, "network": 1}
    found = sorted(
        rows.summary.to_dicts(),
        key=lambda row: (
            PROTOCOLS.index(row["protocol"]),
            rank[row["kind"]],
            row["model"].startswith("mean"),
            row["model"],
        ),
    )
    return [(row["protocol"], row["model"]) for row in found]


def number(value: float | None) -> str:
    """Three digits, or a dash."""
    if value is None:
        return NONE
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"


def with_ends(value: float | None, low: float | None, high: float | None) -> str:
    """A number with the ends of its interval, where there is one."""
    if value is None or low is None or high is None:
        return number(value)
    return f"{number(value)} ({number(low)} to {number(high)})"


def of_parts(rows: CodingRows, table: str, where: str = "TRUE") -> str:
    """Rows of the parts that the study read; its id is of letters that SQL takes as they are."""
    parts = "SELECT unnest(from_json(inputs, '[\"VARCHAR\"]')) FROM findings.studies"
    return f"SELECT * FROM {table} WHERE {where} AND study_id IN ({parts} WHERE study_id = '{rows.study['study_id']}')"
