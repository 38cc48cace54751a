-- units_by_predictability: units of the newest image-coding studies with their reliability and their networks' scores.
-- Reads derived.unit_reliability, findings.encoding_models, findings.encoding_scores, findings.studies. Takes nothing.
WITH newest AS (
    SELECT project, unnest(from_json(inputs, '["VARCHAR"]')) AS part_study_id
    FROM findings.studies
    WHERE kind = 'image_coding'
    QUALIFY row_number() OVER (PARTITION BY project ORDER BY finished_at DESC, study_id) = 1
),

scored AS (
    SELECT e.*
    FROM findings.encoding_scores AS e
    JOIN newest AS n ON n.part_study_id = e.study_id
    JOIN findings.encoding_models AS m
        ON m.study_id = e.study_id AND m.session_id = e.session_id AND m.model = e.model
    WHERE e.side = 'test' AND m.model_name IS NOT NULL
)

SELECT
    n.project,
    r.* EXCLUDE (study_id),
    s.protocol,
    s.model,
    s.correlation_to_mean,
    s.noise_corrected_correlation,
    s.fraction_of_oracle
FROM newest AS n
JOIN derived.unit_reliability AS r ON r.study_id = n.part_study_id
LEFT JOIN scored AS s ON s.session_id = r.session_id AND s.unit_id = r.unit_id;
