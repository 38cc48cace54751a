-- chance_r2_table: r2 by chance, pooled over sessions, each counting once: one row per bin.
-- Reads derived.chance_r2. Takes $studies.
SELECT r2_low, r2_high, sum(share) / count(DISTINCT session_id) AS share
FROM derived.chance_r2
WHERE list_contains($studies, study_id)
GROUP BY r2_low, r2_high
ORDER BY r2_low;
