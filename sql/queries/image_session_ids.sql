-- image_session_ids: one row per session that showed images and has spikes, or counts of them that the source brought.
-- Reads derived.spike_counts, recorded.events, recorded.spikes. Takes nothing.
SELECT DISTINCT session_id
FROM recorded.events
WHERE
    kind = 'image'
    AND session_id IN (
        SELECT session_id FROM recorded.spikes WHERE spike = 0
        UNION
        SELECT session_id FROM derived.spike_counts WHERE starts_with(study_id, 'source:')
    )
ORDER BY session_id;
