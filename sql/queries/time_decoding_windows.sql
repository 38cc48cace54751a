-- time_decoding_windows: one row per stretch of consecutive times above chance, by AUC or by accuracy, of each decoder.
-- Reads findings.time_decoding. Takes $study_id, $auc, $accuracy, $fewest_points.
WITH scores AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY protocol, level, decoder, cre_line, exposure_level ORDER BY time_s) AS point
    FROM findings.time_decoding
    WHERE study_id = $study_id
),
above AS (
    SELECT protocol, level, decoder, cre_line, exposure_level, 'auc' AS metric, auc AS score, chance_accuracy, time_s, point
    FROM scores
    WHERE auc > $auc
    UNION ALL
    SELECT protocol, level, decoder, cre_line, exposure_level, 'accuracy', accuracy, chance_accuracy, time_s, point
    FROM scores
    WHERE accuracy > $accuracy
),
-- Points of a stretch share the difference between their place among all times and among those above.
stretches AS (
    SELECT
        *,
        point - row_number() OVER (
            PARTITION BY protocol, level, decoder, cre_line, exposure_level, metric ORDER BY point
        ) AS stretch
    FROM above
)
SELECT
    protocol,
    level,
    decoder,
    cre_line,
    exposure_level,
    metric,
    min(time_s) AS start_s,
    max(time_s) AS stop_s,
    count(*) AS point_count,
    avg(score) AS mean_score,
    max(score) AS largest_score,
    any_value(chance_accuracy) AS chance_accuracy
FROM stretches
GROUP BY protocol, level, decoder, cre_line, exposure_level, metric, stretch
HAVING count(*) >= $fewest_points
ORDER BY protocol, level, decoder, cre_line, exposure_level, metric DESC, start_s;
