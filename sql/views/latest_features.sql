-- latest_features: response features of the latest studies, with each cell's mouse, cre line and exposure.
-- Reads derived.response_features, recorded.sessions, latest_studies. Takes nothing.
SELECT
    l.project,
    l.protocol,
    s.subject_id AS mouse_id,
    s.cre_line,
    s.exposure_level,
    f.* EXCLUDE (study_id)
FROM latest_studies AS l
JOIN derived.response_features AS f ON f.study_id = l.feature_study_id
JOIN recorded.sessions AS s ON s.session_id = f.session_id AND s.project = l.project;
