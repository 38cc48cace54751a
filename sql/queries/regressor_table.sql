-- regressor_table: the regressors of the sessions that these studies fitted, in their order.
-- Reads derived.regressors, findings.studies. Takes $studies.
SELECT f.protocol, r.* EXCLUDE (study_id)
FROM derived.regressors AS r
JOIN findings.studies AS f USING (study_id)
WHERE list_contains($studies, r.study_id)
ORDER BY f.protocol DESC, r.session_id, r.place;
