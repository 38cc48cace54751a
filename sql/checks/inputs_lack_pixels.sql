-- inputs_lack_pixels: an exciting input has four bytes for each of its pixels. One row per input.
-- Reads derived.excitatory_inputs. Takes nothing.
SELECT study_id, session_id, unit_id, kind, start, seed, octet_length(pixels) AS byte_count
FROM derived.excitatory_inputs
WHERE octet_length(pixels) <> 4 * height_px::BIGINT * width_px;
