-- latest_studies: the newest omission study of each project and protocol, one row for each of the feature studies it read.
-- Reads findings.studies. Takes nothing.
WITH newest AS (
    SELECT project, protocol, study_id, finished_at, inputs
    FROM findings.studies
    WHERE kind = 'omission'
    QUALIFY row_number() OVER (PARTITION BY project, protocol ORDER BY finished_at DESC, study_id) = 1
)
SELECT project, protocol, study_id, finished_at, unnest(from_json(inputs, '["VARCHAR"]')) AS feature_study_id
FROM newest;
