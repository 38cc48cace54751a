-- coding_parts_done: one row per part of a study of image coding, and whether the parts that read it can be computed.
-- Reads derived.unit_reliability, findings.encoding_models, findings.studies. Takes nothing.
SELECT
    study_id,
    study_id IN (SELECT study_id FROM derived.unit_reliability)
        OR study_id IN (SELECT study_id FROM findings.encoding_models) AS leads_on
FROM findings.studies
WHERE kind IN ('image_responses', 'encoding_models', 'exciting_inputs', 'image_coding')
ORDER BY study_id;
