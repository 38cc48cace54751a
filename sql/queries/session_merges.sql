-- session_merges: the tree of a session's clustering, merge by merge.
-- Reads derived.roi_merges, findings.studies. Takes $studies, $session_id, $protocol, $scope.
SELECT m.first, m.second, m.distance, m.roi_count
FROM derived.roi_merges AS m
JOIN findings.studies AS f USING (study_id)
WHERE list_contains($studies, m.study_id) AND m.session_id = $session_id
    AND f.protocol = $protocol AND m.scope = $scope
ORDER BY m.merge;
