-- derived_rows_lack_a_study: a derived row comes from a study in findings.studies or from a file. One row per study_id.
-- Reads derived.mean_responses, derived.response_features, derived.event_responses, derived.spike_counts, findings.studies. Takes nothing.
WITH named AS (
    SELECT study_id FROM derived.mean_responses
    UNION
    SELECT study_id FROM derived.response_features
    UNION
    SELECT study_id FROM derived.event_responses
    UNION
    SELECT study_id FROM derived.spike_counts
)
SELECT study_id
FROM named
WHERE NOT starts_with(study_id, 'source:')
    AND NOT EXISTS (SELECT 1 FROM findings.studies AS s WHERE s.study_id = named.study_id);
