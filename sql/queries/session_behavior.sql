-- session_behavior: one row per sample of every signal of the animal in a session, by signal and sample.
-- Reads recorded.behavior_signals. Takes $session_id.
SELECT signal, time_s, value
FROM recorded.behavior_signals
WHERE session_id = $session_id
ORDER BY signal, sample;
