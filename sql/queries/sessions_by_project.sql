-- sessions_by_project: one row per project, cre line and exposure level, with its counts.
-- Reads recorded.sessions, recorded.units. Takes nothing.
SELECT
    s.project,
    s.cre_line,
    s.exposure_level,
    count(DISTINCT s.session_id) AS session_count,
    count(DISTINCT s.subject_id) AS mouse_count,
    count(u.unit_id) AS unit_count
FROM recorded.sessions AS s
LEFT JOIN recorded.units AS u USING (session_id)
GROUP BY ALL
ORDER BY s.project, s.cre_line, s.exposure_level;
