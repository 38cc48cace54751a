-- group_mean_responses: one row per cre line, exposure level, condition and sample: mean and s.e.m. over mice.
-- Reads derived.mean_responses, recorded.sessions. Takes $studies.
WITH per_mouse AS (
    SELECT
        s.cre_line,
        s.exposure_level,
        s.subject_id,
        r.condition,
        r.sample,
        any_value(r.time_s) AS time_s,
        avg(r.mean_dff) AS mouse_dff,
        count(DISTINCT r.unit_id) AS cell_count
    FROM derived.mean_responses AS r
    JOIN recorded.sessions AS s USING (session_id)
    WHERE list_contains($studies, r.study_id) AND r.mean_dff IS NOT NULL
    GROUP BY ALL
)
SELECT
    cre_line,
    exposure_level,
    condition,
    any_value(time_s) AS time_s,
    avg(mouse_dff) AS mean_dff,
    stddev_samp(mouse_dff) / sqrt(count(*)) AS sem_dff,
    count(*) AS mouse_count,
    sum(cell_count)::BIGINT AS cell_count
FROM per_mouse
GROUP BY cre_line, exposure_level, condition, sample
ORDER BY cre_line, exposure_level, condition, sample;
