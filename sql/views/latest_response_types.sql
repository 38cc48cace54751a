-- latest_response_types: ROIs of each type and region in the newest response-type study of each project and protocol.
-- Reads findings.response_types, findings.studies. Takes nothing.
WITH newest AS (
    SELECT project, protocol, study_id
    FROM findings.studies
    WHERE kind = 'response_types'
    QUALIFY row_number() OVER (PARTITION BY project, protocol ORDER BY finished_at DESC, study_id) = 1
)
SELECT n.project, r.* EXCLUDE (study_id)
FROM newest AS n
JOIN findings.response_types AS r ON r.study_id = n.study_id AND r.protocol = n.protocol
ORDER BY n.project, n.protocol, r.region, r.response_type;
