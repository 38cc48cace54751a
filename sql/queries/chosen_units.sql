-- chosen_units: units of a study that are studied further, by percentiles or by the oracle's interval, best first.
-- Reads derived.unit_reliability. Takes $study_id, $by_percentile.
SELECT unit_id, oracle, variance
FROM derived.unit_reliability
WHERE
    study_id = $study_id
    AND CASE WHEN $by_percentile THEN chosen_by_percentile ELSE chosen_by_reliability END
ORDER BY oracle DESC NULLS LAST, variance DESC, unit_id;
