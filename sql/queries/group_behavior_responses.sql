-- group_behavior_responses: one row per signal, exposure level, condition and sample: mean and s.e.m. over mice.
-- Reads derived.behavior_responses, recorded.sessions. Takes $studies.
WITH per_mouse AS (
    SELECT
        r.signal,
        s.exposure_level,
        s.subject_id,
        r.condition,
        r.sample,
        any_value(r.time_s) AS time_s,
        avg(r.mean) AS mouse_mean,
        sum(r.event_count) AS event_count
    FROM derived.behavior_responses AS r
    JOIN recorded.sessions AS s USING (session_id)
    WHERE list_contains($studies, r.study_id) AND r.mean IS NOT NULL
    GROUP BY ALL
)
SELECT
    signal,
    exposure_level,
    condition,
    any_value(time_s) AS time_s,
    avg(mouse_mean) AS mean,
    stddev_samp(mouse_mean) / sqrt(count(*)) AS sem,
    count(*) AS mouse_count,
    sum(event_count)::BIGINT AS event_count
FROM per_mouse
GROUP BY signal, exposure_level, condition, sample
ORDER BY signal, exposure_level, condition, sample;
