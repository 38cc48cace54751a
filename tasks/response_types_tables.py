"""Tables of a response-type study, as its report shows them."""

from collections.abc import Mapping

import polars as pl

from tasks.report_tables import NONE, ReportTable, whole
from tasks.response_type_recipe import AMBIGUOUS_TYPE, NO_TYPE
from tasks.response_types_rows import TypesRows
from tasks.sentences import PROTOCOLS, counted, p_text


def sessions_table(rows: TypesRows) -> ReportTable:
    """The sessions that took part, under each protocol."""
    return ReportTable(
        f"{counted(rows.fitted['session_id'].n_unique(), 'session')}, under each protocol that they allow.",
        ("protocol", "session", "animal", "area", "indicator", "ROIs", "selected", "not fitted", "frames", "frames/s"),
        tuple(
            (
                row["protocol"],
                row["session_id"],
                row["animal_id"] or NONE,
                row["location"] or NONE,
                row["indicator"] or NONE,
                *(whole(row[name]) for name in ("roi_count", "selected_count", "unfitted_count", "frame_count")),
                NONE if row["rate_hz"] is None else f"{row['rate_hz']:.3g}",
            )
            for row in rows.fitted.to_dicts()
        ),
        text_columns=5,
        grouped=True,
        shown=24,
        sql=_of_fits(rows, "derived.roi_types"),
    )


def excluded_table(rows: TypesRows) -> ReportTable:
    """Sessions that could not take part, each with the reason."""
    return ReportTable(
        "Sessions that could not take part.",
        ("protocol", "session", "animal", "reason"),
        tuple(
            (row["protocol"], row["session_id"], row["animal_id"] or NONE, (row["notes"] or NONE).replace("\n", "; "))
            for row in rows.excluded.to_dicts()
        ),
        text_columns=4,
        grouped=True,
        shown=24,
        sql="SELECT protocol, session_id, notes FROM findings.studies WHERE kind = 'regressors'"
        f" AND project = '{rows.study['project']}'",
    )


def regressors_table(rows: TypesRows) -> ReportTable:
    """What the ROIs were regressed on: each regressor over the sessions that have it."""
    cells = []
    for protocol in PROTOCOLS:
        of_protocol = rows.regressors.filter(protocol=protocol)
        for name in of_protocol.sort("place")["regressor"].unique(maintain_order=True):
            of_name = of_protocol.filter(regressor=name)
            kernels = of_name["kernel"].unique().sort().to_list()
            kernel = kernels[0] if len(kernels) == 1 else f"{len(kernels)} kernels: {kernels[0]} ..."
            counts = (of_name[column].sum() if of_name[column].count() else None for column in _EVENT_COUNTS)
            cells.append(
                (protocol, name, kernel, _range(of_name["rise_s"]), _range(of_name["tau_s"]), whole(len(of_name)),
                 *(whole(count) for count in counts))
            )  # fmt: skip
    return ReportTable(
        "Regressors: events as a train of ones through the indicator's kernel, of sum 1; signals of the animal in their"
        " own mean and s.d.",
        ("protocol", "regressor", "kernel", "rise (s)", "decay (s)", "sessions", "events", "outside the recording"),
        tuple(cells),
        text_columns=3,
        grouped=True,
        shown=24,
        sql=_of_fits(rows, "derived.regressors"),
    )


_EVENT_COUNTS = ("event_count", "outside_count")


def types_table(rows: TypesRows) -> ReportTable:
    """ROIs of each type by region, both protocols side by side."""
    counts = {
        (row["protocol"], row["region"], row["response_type"]): row for row in rows.types.to_dicts()
    }  # fmt: skip
    regions = rows.types["region"].unique().sort().to_list()
    names = type_order(rows)
    cells = []
    for region in regions:
        for name in names:
            found = [counts.get((protocol, region, name)) for protocol in PROTOCOLS]
            if any(row and row["roi_count"] for row in found):
                cells.append((region, name, *(text for row in found for text in _share_cells(row))))
    return ReportTable(
        "ROIs of each type, and their share of the region's ROIs.",
        ("region", "type", *("ROIs", "share", "mean r2") * len(PROTOCOLS)),
        tuple(cells),
        text_columns=2,
        grouped=True,
        shown=40,
        spans=(("", 2), *((protocol, 3) for protocol in PROTOCOLS)),
        sql=f"SELECT * FROM findings.response_types WHERE study_id = '{rows.study['study_id']}'",
    )


def tests_table(rows: TypesRows) -> ReportTable:
    """Pairs of regions compared, type by type."""
    order = {name: place for place, name in enumerate(type_order(rows))}
    found = sorted(
        rows.tests.to_dicts(), key=lambda row: (row["protocol"] != rows.protocol, order[row["response_type"]])
    )
    return ReportTable(
        "Shares of ROIs compared between regions; Holm's correction over the tests of each protocol.",
        ("protocol", "type", "regions", "test", "difference of shares", "95 % interval", "p", "p (Holm)", "animals",
         "caution"),
        tuple(
            (
                row["protocol"],
                row["response_type"],
                f"{row['region_a']} - {row['region_b']}",
                row["test"],
                f"{row['difference']:+.3f}",
                NONE if row["ci_low"] is None else f"{row['ci_low']:.3f} to {row['ci_high']:.3f}",
                p_text(row["p"]),
                p_text(row["p_holm"]),
                f"{row['animals_a']} and {row['animals_b']}",
                row["warning"] or NONE,
            )
            for row in found
        ),
        text_columns=4,
        grouped=True,
        noted=True,
        shown=24,
        sql=f"SELECT * FROM findings.response_type_tests WHERE study_id = '{rows.study['study_id']}'",
    )  # fmt: skip


def coefficients_table(rows: TypesRows) -> ReportTable:
    """Coefficients and mean responses, mean and s.d. over the ROIs of each type."""
    order = {name: place for place, name in enumerate(type_order(rows))}
    found = sorted(
        rows.coefficients.filter(pl.col("roi_count") > 0).to_dicts(),
        key=lambda row: (
            row["protocol"] != rows.protocol,
            order.get(row["response_type"], len(order)),
            order.get(row["regressor"], len(order)),
        ),
    )
    return ReportTable(
        "Mean (s.d.) over the ROIs of each type: the coefficient of each regressor, and dF/F over the first"
        f" {rows.recipe.response_frames} frames of its events.",
        ("protocol and type", "regressor", "ROIs", "coefficient", "response (dF/F)"),
        tuple(
            (
                f"{row['protocol']}, {row['response_type']}",
                row["regressor"],
                whole(row["roi_count"]),
                _mean_sd(row["mean_coefficient"], row["sd_coefficient"]),
                _mean_sd(row["mean_response"], row["sd_response"]),
            )
            for row in found
        ),
        text_columns=2,
        grouped=True,
        shown=36,
        sql=_of_fits(rows, "derived.regressor_fits"),
    )


def protocols_table(rows: TypesRows) -> ReportTable:
    """Types of the same ROIs under the two protocols: a row for each rigorous one, a column for each published one."""
    pairs = both_protocols(rows)
    names = [name for name in type_order(rows) if name in {*pairs["rigorous"], *pairs["published"]}]
    counts = {(rigorous, published): n for rigorous, published, n in pairs.group_by(pairs.columns).len().rows()}
    return ReportTable(
        f"The same {counted(len(pairs), 'ROI')} under both protocols.",
        ("rigorous", *names),
        tuple((one, *(whole(counts.get((one, other), 0)) for other in names)) for one in names),
        spans=(("", 1), ("published", len(names))),
        sql="SELECT project, protocol, session_id, unit_id, response_type FROM rois_by_type",
    )


def clusters_table(rows: TypesRows) -> ReportTable:
    """Types of the ROIs in each cluster of selected ROIs, session by session, under the study's protocol."""
    clustered = rows.of(rows.protocol).drop_nulls("cluster_of_selected")
    names = [name for name in type_order(rows) if name in set(clustered["response_type"])]
    counts = clustered.group_by("session_id", "cluster_of_selected", "response_type").len()
    by_cluster = {(session, cluster, name): n for session, cluster, name, n in counts.rows()}
    clusters = clustered.select("session_id", "cluster_of_selected").unique().sort("session_id", "cluster_of_selected")
    return ReportTable(
        "Selected ROIs by cluster and type: where each cluster holds one type, the traces alone tell the types apart.",
        ("session", "cluster", *names),
        tuple(
            (session, str(cluster), *(whole(by_cluster.get((session, cluster, name), 0)) for name in names))
            for session, cluster in clusters.rows()
        ),
        text_columns=2,
        grouped=True,
        shown=24,
        sql=_of_fits(rows, "derived.roi_clusters"),
    )


def both_protocols(rows: TypesRows) -> pl.DataFrame:
    """Types of the ROIs that both protocols fitted: columns rigorous and published."""
    key = ["session_id", "unit_id"]
    rigorous, published = (
        rows.of(protocol).select(*key, pl.col("response_type").alias(protocol)) for protocol in PROTOCOLS
    )
    return rigorous.join(published, on=key).select(PROTOCOLS)


def type_order(rows: TypesRows) -> list[str]:
    """Types in the order of the regressors, then ambiguous and none."""
    of_regressors = rows.regressors.group_by("regressor").agg(pl.col("place").min()).sort("place", "regressor")
    return [*of_regressors["regressor"], AMBIGUOUS_TYPE, NO_TYPE]


def _share_cells(row: Mapping | None) -> tuple[str, str, str]:
    if row is None:
        return NONE, NONE, NONE
    r2 = NONE if row["mean_r2"] is None else f"{row['mean_r2']:.3f}"
    return whole(row["roi_count"]), f"{100 * row['share']:.1f} %", r2


def _mean_sd(mean: float | None, sd: float | None) -> str:
    return NONE if mean is None else f"{mean:.3g}" + ("" if sd is None else f" ({sd:.2g})")


def _range(values: pl.Series) -> str:
    there = values.drop_nulls()
    if there.is_empty():
        return NONE
    low, high = there.min(), there.max()
    return f"{low:.3g}" if high - low < 1e-6 * high else f"{low:.3g} to {high:.3g}"


def _of_fits(rows: TypesRows, table: str) -> str:
    """Rows of the fits that the study read; its id is of letters that SQL takes as they are."""
    inputs = "SELECT unnest(from_json(inputs, '[\"VARCHAR\"]')) FROM findings.studies"
    return f"SELECT * FROM {table} WHERE study_id IN ({inputs} WHERE study_id = '{rows.study['study_id']}')"
