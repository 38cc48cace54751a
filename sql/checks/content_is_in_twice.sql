-- content_is_in_twice: the same bytes are recorded from one file only. One row per content.
-- Reads recorded.sessions. Takes nothing.
SELECT content_sha256, list_sort(list(DISTINCT source_uri)) AS source_uris
FROM recorded.sessions
GROUP BY content_sha256
HAVING count(DISTINCT source_uri) > 1;
