-- group_mean_spike_prob: one row per cre line, exposure level, condition and sample: mean and s.e.m. over mice.
-- Reads derived.mean_spike_prob, recorded.sessions. Takes $studies.
WITH per_mouse AS (
    SELECT
        s.cre_line,
        s.exposure_level,
        s.subject_id,
        r.condition,
        r.sample,
        any_value(r.time_s) AS time_s,
        avg(r.mean_spike_prob) AS mouse_spike_prob,
        count(DISTINCT r.unit_id) AS cell_count
    FROM derived.mean_spike_prob AS r
    JOIN recorded.sessions AS s USING (session_id)
    WHERE list_contains($studies, r.study_id) AND r.mean_spike_prob IS NOT NULL
    GROUP BY ALL
)
SELECT
    cre_line,
    exposure_level,
    condition,
    any_value(time_s) AS time_s,
    avg(mouse_spike_prob) AS mean_spike_prob,
    stddev_samp(mouse_spike_prob) / sqrt(count(*)) AS sem_spike_prob,
    count(*) AS mouse_count,
    sum(cell_count)::BIGINT AS cell_count
FROM per_mouse
GROUP BY cre_line, exposure_level, condition, sample
ORDER BY cre_line, exposure_level, condition, sample;
