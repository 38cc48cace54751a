-- rois_by_type: every ROI of the newest response-type study of each project and protocol, with its region and type.
-- Reads derived.roi_types, findings.studies, recorded.sessions, recorded.units. Takes nothing.
WITH newest AS (
    SELECT project, protocol, unnest(from_json(inputs, '["VARCHAR"]')) AS fit_study_id
    FROM findings.studies
    WHERE kind = 'response_types'
    QUALIFY row_number() OVER (PARTITION BY project, protocol ORDER BY finished_at DESC, study_id) = 1
)
SELECT
    n.project,
    n.protocol,
    s.subject_id AS animal_id,
    coalesce(u.structure, s.location, 'not given') AS region,
    u.x_px,
    u.y_px,
    t.* EXCLUDE (study_id)
FROM newest AS n
JOIN findings.studies AS f ON f.study_id = n.fit_study_id AND f.protocol = n.protocol
JOIN derived.roi_types AS t ON t.study_id = f.study_id
JOIN recorded.sessions AS s ON s.session_id = t.session_id
JOIN recorded.units AS u ON u.session_id = t.session_id AND u.unit_id = t.unit_id
ORDER BY n.project, n.protocol, t.session_id, t.unit_id;
