-- coefficient_table: coefficients and mean responses over the ROIs of each type, one row per protocol, type and regressor.
-- Reads derived.regressor_fits, derived.roi_types, findings.studies. Takes $studies.
SELECT
    f.protocol,
    t.response_type,
    r.regressor,
    count(r.coefficient) AS roi_count,
    avg(r.coefficient) AS mean_coefficient,
    stddev_samp(r.coefficient) AS sd_coefficient,
    avg(r.mean_response) AS mean_response,
    stddev_samp(r.mean_response) AS sd_response
FROM derived.regressor_fits AS r
JOIN derived.roi_types AS t USING (study_id, session_id, unit_id)
JOIN findings.studies AS f USING (study_id)
WHERE list_contains($studies, r.study_id)
GROUP BY f.protocol, t.response_type, r.regressor
ORDER BY f.protocol DESC, t.response_type, r.regressor;
