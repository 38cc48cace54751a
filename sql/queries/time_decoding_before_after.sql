-- time_decoding_before_after: one row per decoder and group: mean AUC and accuracy before onset and from onset on.
-- Reads findings.time_decoding. Takes $study_id.
SELECT
    protocol,
    level,
    decoder,
    cre_line,
    exposure_level,
    avg(auc) FILTER (WHERE time_s < 0) AS auc_before,
    avg(auc) FILTER (WHERE time_s >= 0) AS auc_after,
    avg(accuracy) FILTER (WHERE time_s < 0) AS accuracy_before,
    avg(accuracy) FILTER (WHERE time_s >= 0) AS accuracy_after,
    max(auc) AS largest_auc,
    arg_max(time_s, auc) AS largest_auc_s,
    min(p_max) AS smallest_p_max,
    min(p_cluster) AS smallest_p_cluster,
    any_value(chance_accuracy) AS chance_accuracy,
    any_value(mouse_count) AS mouse_count,
    any_value(row_count) AS row_count
FROM findings.time_decoding
WHERE study_id = $study_id
GROUP BY protocol, level, decoder, cre_line, exposure_level
ORDER BY protocol, level, decoder, cre_line, exposure_level;
