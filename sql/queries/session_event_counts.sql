-- session_event_counts: one row per session of these studies: its units, and the events behind their mean responses.
-- Reads derived.mean_responses, derived.response_features, recorded.sessions. Takes $studies.
WITH measured AS (
    SELECT session_id, count(DISTINCT unit_id) AS unit_count
    FROM derived.response_features
    WHERE list_contains($studies, study_id)
    GROUP BY session_id
),
counted AS (
    SELECT
        session_id,
        max(event_count) FILTER (WHERE condition = 'presented') AS presented_count,
        max(event_count) FILTER (WHERE condition = 'omitted') AS omitted_count,
        max(dropped_count) FILTER (WHERE condition = 'presented') AS presented_dropped_count,
        max(dropped_count) FILTER (WHERE condition = 'omitted') AS omitted_dropped_count,
        max(missing_count) AS missing_count
    FROM derived.mean_responses
    WHERE list_contains($studies, study_id) AND sample = 0
    GROUP BY session_id
)
SELECT
    s.session_id,
    s.subject_id AS mouse_id,
    s.cre_line,
    s.exposure_level,
    m.unit_count,
    c.presented_count,
    c.omitted_count,
    coalesce(c.presented_dropped_count, 0) + coalesce(c.omitted_dropped_count, 0) AS dropped_count,
    c.missing_count
FROM measured AS m
JOIN recorded.sessions AS s USING (session_id)
LEFT JOIN counted AS c USING (session_id)
ORDER BY s.cre_line, s.exposure_level, s.subject_id, s.session_id;
