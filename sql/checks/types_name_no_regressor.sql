-- types_name_no_regressor: a response type is a regressor of its session, 'ambiguous' or 'none'. One row per ROI and study.
-- Reads derived.regressors, derived.roi_types. Takes nothing.
SELECT t.study_id, t.session_id, t.unit_id, t.response_type
FROM derived.roi_types AS t
LEFT JOIN derived.regressors AS r
    ON r.study_id = t.study_id AND r.session_id = t.session_id AND r.regressor = t.response_type
WHERE r.regressor IS NULL AND t.response_type NOT IN ('ambiguous', 'none');
