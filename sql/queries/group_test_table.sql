-- group_test_table: one row per test over cells of a study as the source made it, with what it stands on and a warning.
-- Reads findings.group_tests. Takes $study_id.
SELECT
    test,
    measure,
    within,
    contrast,
    estimate,
    ci_low,
    ci_high,
    statistic_name,
    statistic,
    f,
    dof,
    residual_dof,
    p,
    p_corrected,
    correction,
    effect_name,
    effect_size,
    effect_low,
    effect_high,
    row_count,
    cell_count,
    mouse_count,
    event_count,
    warning
FROM findings.group_tests
WHERE study_id = $study_id
ORDER BY
    list_position(['levene', 'student', 'welch', 'tukey', 'pairwise', 'manova', 'glm'], test),
    measure,
    within,
    contrast;
