-- effects_per_mouse: omitted minus presented, averaged over each mouse's cells, in the latest studies.
-- Reads effects_per_cell. Takes nothing.
SELECT
    project,
    protocol,
    cre_line,
    exposure_level,
    mouse_id,
    count(*) AS cell_count,
    avg(peak_dff) AS peak_dff,
    avg(peak_latency_s) AS peak_latency_s,
    avg(auc_dff_s) AS auc_dff_s
FROM effects_per_cell
GROUP BY ALL
ORDER BY ALL;
