-- rejected_files: one row per file that could not go in, newest first.
-- Reads recorded.rejected. Takes nothing.
SELECT source_uri, reader, field, found, expected, rejected_at
FROM recorded.rejected
ORDER BY rejected_at DESC, source_uri;
