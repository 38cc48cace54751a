-- sessions_of_types: one row per session of a project and protocol that these studies looked at, with what they noted.
-- Reads derived.roi_types, findings.studies, recorded.sessions. Takes $studies.
SELECT
    f.protocol,
    f.study_id AS fit_study_id,
    f.session_id,
    s.subject_id AS animal_id,
    s.location,
    s.indicator,
    s.unit_count,
    s.frame_count,
    s.rate_hz,
    count(t.unit_id) AS roi_count,
    count(t.unit_id) FILTER (WHERE t.selected) AS selected_count,
    count(t.note) AS unfitted_count,
    f.notes
FROM findings.studies AS f
JOIN recorded.sessions AS s ON s.session_id = f.session_id
LEFT JOIN derived.roi_types AS t ON t.study_id = f.study_id AND t.session_id = f.session_id
WHERE list_contains($studies, f.study_id)
GROUP BY ALL
ORDER BY f.protocol DESC, f.session_id;
