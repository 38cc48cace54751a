-- cells_that_prefer_omissions: one row per cell whose peak response to omissions exceeds that to images, largest first.
-- Reads derived.response_features. Takes $study_id, $smallest_difference_dff.
SELECT
    session_id,
    unit_id,
    any_value(peak_dff) FILTER (WHERE condition = 'omitted') AS omitted_peak_dff,
    any_value(peak_dff) FILTER (WHERE condition = 'presented') AS presented_peak_dff,
    omitted_peak_dff - presented_peak_dff AS difference_dff
FROM derived.response_features
WHERE study_id = $study_id
GROUP BY session_id, unit_id
HAVING difference_dff >= $smallest_difference_dff
ORDER BY difference_dff DESC, session_id, unit_id;
