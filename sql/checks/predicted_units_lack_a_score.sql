-- predicted_units_lack_a_score: a unit whose held-out responses a model predicted is scored. One row per unit and model.
-- Reads derived.predicted_responses, findings.encoding_scores. Takes nothing.
SELECT DISTINCT p.study_id, p.session_id, p.unit_id, p.model
FROM derived.predicted_responses AS p
ANTI JOIN (SELECT * FROM findings.encoding_scores WHERE side = 'test') AS e USING (study_id, session_id, unit_id, model);
