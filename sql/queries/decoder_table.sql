-- decoder_table: one row per protocol, target and decoder of a study, accuracies averaged over folds, each counting once.
-- Reads findings.decoder_scores. Takes $study_id.
SELECT
    protocol,
    target,
    decoder,
    avg(accuracy) FILTER (WHERE scheme = 'leave_one_mouse_out') AS lomo_accuracy,
    any_value(accuracy) FILTER (WHERE scheme = 'test') AS test_accuracy,
    any_value(f1) FILTER (WHERE scheme = 'test') AS test_f1,
    any_value(roc_auc) FILTER (WHERE scheme = 'test') AS test_roc_auc,
    any_value(test_count) FILTER (WHERE scheme = 'test') AS test_count,
    any_value(accuracy) FILTER (WHERE scheme = 'notebook_2') AS notebook_2_accuracy,
    any_value(f1) FILTER (WHERE scheme = 'notebook_2') AS notebook_2_f1,
    any_value(roc_auc) FILTER (WHERE scheme = 'notebook_2') AS notebook_2_roc_auc,
    any_value(test_count) FILTER (WHERE scheme = 'notebook_2') AS notebook_2_count,
    count(*) FILTER (WHERE scheme = 'leave_one_mouse_out') AS fold_count
FROM findings.decoder_scores
WHERE study_id = $study_id
GROUP BY protocol, target, decoder
ORDER BY protocol, target DESC, list_position(['dummy', 'LR', 'DT', 'RF', 'SVM', 'KNN', 'GB', 'XGB'], decoder);
