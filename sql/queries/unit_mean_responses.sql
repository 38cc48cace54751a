-- unit_mean_responses: one row per session, unit, condition and sample, samples in order within unit and condition.
-- Reads derived.mean_responses, recorded.sessions. Takes $studies.
SELECT
    r.session_id,
    r.unit_id,
    s.subject_id AS mouse_id,
    s.cre_line,
    s.exposure_level,
    r.condition,
    r.sample,
    r.time_s,
    r.mean_dff
FROM derived.mean_responses AS r
JOIN recorded.sessions AS s USING (session_id)
WHERE list_contains($studies, r.study_id)
ORDER BY r.session_id, r.unit_id, r.condition = 'omitted', r.sample;
