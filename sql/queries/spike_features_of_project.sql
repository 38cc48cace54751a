-- spike_features_of_project: one row per session, unit and condition, as features_of_project, of inferred spikes.
-- Reads derived.mean_spike_prob, derived.spike_features, recorded.sessions. Takes $project, $studies.
SELECT
    f.session_id,
    f.unit_id,
    s.subject_id AS mouse_id,
    s.cre_line,
    s.exposure_level,
    f.condition,
    f.* EXCLUDE (study_id, session_id, unit_id, condition),
    m.event_count::BIGINT AS event_count
FROM derived.spike_features AS f
JOIN recorded.sessions AS s USING (session_id)
LEFT JOIN derived.mean_spike_prob AS m
    ON m.study_id = f.study_id AND m.session_id = f.session_id AND m.unit_id = f.unit_id
    AND m.condition = f.condition AND m.sample = 0
WHERE s.project = $project AND list_contains($studies, f.study_id)
ORDER BY f.unit_id, f.condition = 'omitted', s.exposure_level, f.session_id;
