-- encoding_score_table: one row per unit, model and side of the split that these studies scored, with its animal.
-- Reads findings.encoding_models, findings.encoding_scores, recorded.sessions. Takes $studies.
SELECT
    e.* EXCLUDE (study_id),
    m.kind,
    coalesce(s.subject_id, e.session_id) AS animal_id
FROM findings.encoding_scores AS e
JOIN findings.encoding_models AS m
    ON m.study_id = e.study_id AND m.session_id = e.session_id AND m.model = e.model
JOIN recorded.sessions AS s ON s.session_id = e.session_id
WHERE list_contains($studies, e.study_id)
ORDER BY e.protocol DESC, e.session_id, e.model, e.side, e.unit_id;
