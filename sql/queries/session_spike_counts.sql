-- session_spike_counts: one row per unit and event that a study counted spikes of; 'source' for counts that came ready-made.
-- Reads derived.spike_counts. Takes $session_id, $study_id.
SELECT unit_id, event_id, spike_count, width_s
FROM derived.spike_counts
WHERE
    session_id = $session_id
    AND (study_id = $study_id OR ($study_id = 'source' AND starts_with(study_id, 'source:')))
ORDER BY unit_id, event_id;
