-- cells_of_study: one row per cre line and exposure level: mice, sessions and cells that a study rests on.
-- Reads derived.response_features, recorded.sessions. Takes $studies.
WITH conditions AS (
    SELECT
        s.cre_line,
        s.exposure_level,
        s.subject_id,
        f.session_id,
        f.unit_id,
        count(DISTINCT f.condition) = 2 AS has_both
    FROM derived.response_features AS f
    JOIN recorded.sessions AS s USING (session_id)
    WHERE list_contains($studies, f.study_id)
    GROUP BY ALL
)
SELECT
    cre_line,
    exposure_level,
    count(DISTINCT subject_id) AS mouse_count,
    count(DISTINCT session_id) AS session_count,
    count(DISTINCT (coalesce(subject_id, session_id), unit_id)) AS cell_count,
    count(DISTINCT (coalesce(subject_id, session_id), unit_id)) FILTER (WHERE NOT has_both) AS one_condition_count
FROM conditions
GROUP BY cre_line, exposure_level
ORDER BY cre_line, exposure_level;
