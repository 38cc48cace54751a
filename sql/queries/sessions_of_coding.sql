-- sessions_of_coding: one row per part of a study of image coding, with its session and what it noted.
-- Reads derived.unit_reliability, findings.encoding_models, findings.input_comparisons, findings.studies, recorded.sessions. Takes $studies.
SELECT
    f.kind,
    f.protocol,
    f.study_id AS part_study_id,
    f.session_id,
    s.subject_id AS animal_id,
    s.location,
    s.unit_count,
    (SELECT count(*) FROM derived.unit_reliability AS u WHERE u.study_id = f.study_id) AS measured_count,
    (SELECT count(*) FROM derived.unit_reliability AS u WHERE u.study_id = f.study_id AND u.chosen_by_percentile)
        AS by_percentile_count,
    (SELECT count(*) FROM derived.unit_reliability AS u WHERE u.study_id = f.study_id AND u.chosen_by_reliability)
        AS by_reliability_count,
    (SELECT count(*) FROM findings.encoding_models AS m WHERE m.study_id = f.study_id) AS model_count,
    (SELECT count(*) FROM findings.input_comparisons AS c WHERE c.study_id = f.study_id) AS input_count,
    f.notes
FROM findings.studies AS f
JOIN recorded.sessions AS s ON s.session_id = f.session_id
WHERE list_contains($studies, f.study_id)
ORDER BY f.session_id, f.kind, f.protocol DESC;
