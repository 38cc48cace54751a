-- session_presentations: one row per presentation of an image in a session, or of the same stimulus without one: the blank.
-- Reads recorded.events. Takes $session_id.
SELECT
    e.event_id,
    e.image_name,
    e.onset_s,
    e.offset_s,
    TRY_CAST(e.attributes ->> 'stimulus_block' AS DOUBLE)::INTEGER AS stimulus_block
FROM recorded.events AS e
WHERE
    e.session_id = $session_id
    AND (
        e.kind = 'image'
        OR (
            e.kind = 'stimulus'
            AND e.name IN (SELECT name FROM recorded.events WHERE session_id = $session_id AND kind = 'image')
        )
    )
ORDER BY e.onset_s NULLS LAST, e.event_id;
