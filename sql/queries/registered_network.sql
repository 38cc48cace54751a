-- registered_network: the model of a study that stands in the registry, one row.
-- Reads findings.encoding_models. Takes $study_id.
SELECT model, model_name, model_version, mlflow_run_id
FROM findings.encoding_models
WHERE study_id = $study_id AND model_name IS NOT NULL;
