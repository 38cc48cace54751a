-- effects_per_cell: each cell's response to omissions minus that to images, in the latest studies.
-- Reads latest_features. Takes nothing.
SELECT
    project,
    protocol,
    cre_line,
    exposure_level,
    mouse_id,
    session_id,
    unit_id,
    omitted.peak_dff - presented.peak_dff AS peak_dff,
    omitted.peak_latency_s - presented.peak_latency_s AS peak_latency_s,
    omitted.auc_dff_s - presented.auc_dff_s AS auc_dff_s
FROM (FROM latest_features WHERE condition = 'omitted') AS omitted
JOIN (FROM latest_features WHERE condition = 'presented') AS presented
    USING (project, protocol, cre_line, exposure_level, mouse_id, session_id, unit_id)
ORDER BY project, protocol, cre_line, exposure_level, mouse_id, session_id, unit_id;
