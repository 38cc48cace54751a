-- fits_lack_a_type: a ROI that was fitted has a type, and one that has a type was fitted. One row per ROI and study.
-- Reads derived.regressor_fits, derived.roi_types. Takes nothing.
SELECT study_id, session_id, unit_id
FROM (SELECT DISTINCT study_id, session_id, unit_id FROM derived.regressor_fits) AS f
FULL JOIN derived.roi_types AS t USING (study_id, session_id, unit_id)
WHERE f.study_id IS NULL OR t.study_id IS NULL;
