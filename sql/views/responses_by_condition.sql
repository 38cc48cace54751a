-- responses_by_condition: mean over mice of each mouse's mean over cells, with s.e.m. over mice, in the latest studies.
-- Reads latest_features. Takes nothing.
WITH per_mouse AS (
    SELECT
        project,
        protocol,
        cre_line,
        exposure_level,
        condition,
        mouse_id,
        count(*) AS cell_count,
        avg(peak_dff) AS peak_dff,
        avg(peak_latency_s) AS peak_latency_s,
        avg(auc_dff_s) AS auc_dff_s
    FROM latest_features
    GROUP BY ALL
)
SELECT
    project,
    protocol,
    cre_line,
    exposure_level,
    condition,
    count(*) AS mouse_count,
    sum(cell_count)::BIGINT AS cell_count,
    avg(m.peak_dff) AS peak_dff,
    stddev_samp(m.peak_dff) / sqrt(count(*)) AS peak_sem_dff,
    avg(m.peak_latency_s) AS peak_latency_s,
    stddev_samp(m.peak_latency_s) / sqrt(count(*)) AS peak_latency_sem_s,
    avg(m.auc_dff_s) AS auc_dff_s,
    stddev_samp(m.auc_dff_s) / sqrt(count(*)) AS auc_sem_dff_s
FROM per_mouse AS m
GROUP BY project, protocol, cre_line, exposure_level, condition
ORDER BY ALL;
