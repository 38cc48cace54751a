-- features_of_project: one row per session, unit and condition; the order decides how ties in decoders break.
-- Reads derived.mean_responses, derived.response_features, recorded.sessions. Takes $project, $studies.
SELECT
    f.session_id,
    f.unit_id,
    s.subject_id AS mouse_id,
    s.cre_line,
    s.exposure_level,
    f.condition,
    f.auc_dff_s,
    f.peak_dff,
    f.peak_latency_s,
    f.trough_dff,
    f.trough_latency_s,
    f.peak_to_trough_dff,
    f.slope_dff_per_s,
    f.fwhm_s,
    f.energy_dff2,
    f.mean_0_500ms_dff,
    f.mean_500_1000ms_dff,
    f.skewness,
    f.kurtosis,
    f.zero_crossings,
    f.rise_time_s,
    f.decay_time_s,
    m.event_count::BIGINT AS event_count
FROM derived.response_features AS f
JOIN recorded.sessions AS s USING (session_id)
LEFT JOIN derived.mean_responses AS m
    ON m.study_id = f.study_id AND m.session_id = f.session_id AND m.unit_id = f.unit_id
    AND m.condition = f.condition AND m.sample = 0
WHERE s.project = $project AND list_contains($studies, f.study_id)
ORDER BY f.unit_id, f.condition = 'omitted', s.exposure_level, f.session_id;
