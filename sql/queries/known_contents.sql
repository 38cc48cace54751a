-- known_contents: one row per file content that a night has met, whether it went in or was refused.
-- Reads recorded.sessions, recorded.rejected. Takes nothing.
SELECT DISTINCT source_uri, content_sha256, reader, reader_version, TRUE AS recorded
FROM recorded.sessions
UNION ALL
SELECT source_uri, content_sha256, reader, reader_version, FALSE AS recorded
FROM recorded.rejected
ORDER BY source_uri, content_sha256;
