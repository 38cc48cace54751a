-- mouse_mean_responses: one row per mouse, exposure level, condition and sample: mean and s.e.m. over its cells.
-- Reads derived.mean_responses, recorded.sessions. Takes $studies.
SELECT
    s.subject_id AS mouse_id,
    s.cre_line,
    s.exposure_level,
    r.condition,
    r.sample,
    any_value(r.time_s) AS time_s,
    avg(r.mean_dff) AS mean_dff,
    stddev_samp(r.mean_dff) / sqrt(count(*)) AS sem_dff,
    count(*) AS cell_count
FROM derived.mean_responses AS r
JOIN recorded.sessions AS s USING (session_id)
WHERE list_contains($studies, r.study_id) AND r.mean_dff IS NOT NULL
GROUP BY s.subject_id, s.cre_line, s.exposure_level, r.condition, r.sample
ORDER BY s.subject_id, s.exposure_level, r.condition, r.sample;
