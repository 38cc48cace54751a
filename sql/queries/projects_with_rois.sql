-- projects_with_rois: one row per project of which some session's ROIs were fitted.
-- Reads derived.roi_types, findings.studies. Takes nothing.
SELECT DISTINCT f.project
FROM findings.studies AS f
SEMI JOIN derived.roi_types AS t USING (study_id)
ORDER BY f.project;
