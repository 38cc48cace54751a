-- mixed_model_table: one row per term of a study's mixed models, fixed effects before variances.
-- Reads findings.mixed_effects. Takes $study_id.
SELECT
    protocol,
    model,
    measure,
    term,
    estimate,
    standard_error,
    ci_low,
    ci_high,
    statistic,
    dof,
    p,
    log_likelihood,
    converged,
    row_count,
    group_count,
    cell_count,
    mouse_count,
    event_count,
    warning
FROM findings.mixed_effects
WHERE study_id = $study_id
ORDER BY protocol, model, measure, starts_with(term, 'variance of '), len(term), term;
