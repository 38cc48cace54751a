-- decoder_table: one row per protocol and decoder of a study, accuracies averaged over folds with each fold counting once.
-- Reads findings.decoder_scores. Takes $study_id.
SELECT
    protocol,
    decoder,
    avg(accuracy) FILTER (WHERE scheme = 'leave_one_mouse_out') AS lomo_accuracy,
    any_value(accuracy) FILTER (WHERE scheme = 'test') AS test_accuracy,
    any_value(f1) FILTER (WHERE scheme = 'test') AS test_f1,
    any_value(roc_auc) FILTER (WHERE scheme = 'test') AS test_roc_auc,
    count(*) FILTER (WHERE scheme = 'leave_one_mouse_out') AS fold_count
FROM findings.decoder_scores
WHERE study_id = $study_id
GROUP BY protocol, decoder
ORDER BY protocol, list_position(['LR', 'DT', 'RF', 'SVM', 'KNN', 'GB', 'XGB'], decoder);
