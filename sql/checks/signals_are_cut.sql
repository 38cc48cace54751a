-- signals_are_cut: the samples of a signal are numbered from 0 without a gap. One row per signal where they are not.
-- Reads recorded.behavior_signals. Takes nothing.
SELECT session_id, signal, count(*) AS row_count
FROM recorded.behavior_signals
GROUP BY ALL
HAVING count(*) <> max(sample) + 1;
