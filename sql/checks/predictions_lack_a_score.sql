-- predictions_lack_a_score: each fold that predicted has a score. One row per study, protocol, target, decoder and fold.
-- Reads findings.predictions, findings.decoder_scores. Takes nothing.
SELECT DISTINCT p.study_id, p.protocol, p.target, p.decoder, p.scheme, p.fold
FROM findings.predictions AS p
ANTI JOIN findings.decoder_scores AS d USING (study_id, protocol, target, decoder, scheme, fold);
