-- inputs_lack_a_best: of a unit's inputs of a kind one is the best. One row per unit and kind.
-- Reads derived.excitatory_inputs. Takes nothing.
SELECT study_id, session_id, unit_id, kind, count(*) FILTER (WHERE is_best) AS best_count
FROM derived.excitatory_inputs
GROUP BY ALL
HAVING count(*) FILTER (WHERE is_best) <> 1;
