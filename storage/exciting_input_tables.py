"""Tables of what excites units through their models: images with pixels, ascents, Gabors, and their comparison."""

from storage.declaration import Column, Table
from storage.image_coding_columns import OF_UNITS, correlation, number
from storage.shared_columns import PROTOCOL, SESSION, STUDY, UNIT

_START = Column("start", "text", "where the ascent started; 'none' for what was not climbed")
_SEED = Column("seed", "integer", "of the start; 0 for one without", at_least=0)
_KIND = Column(
    "kind",
    "text",
    "'exciting' and 'inhibiting': what the model responds to most and least; 'diverse': unlike each other at nearly "
    "the highest response; 'second network': most exciting for one trained independently; 'top gabors': mean of the "
    "three that the unit fired most for; 'best gabor': found by searching through the model",
    one_of=("exciting", "inhibiting", "diverse", "second network", "top gabors", "best gabor"),
)


EXCITATORY_INPUTS = Table(
    "derived.excitatory_inputs",
    "Images made for each unit through its model, with their pixels: most and least exciting, diverse, and Gabors.",
    key=("study_id", "session_id", "unit_id", "kind", "start", "seed"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        UNIT,
        _KIND,
        _START,
        _SEED,
        Column("response", "double", "what the model predicts, a mean count"),
        Column("contrast", "double", "sample s.d. of the pixels, 1 from black to white", at_least=0),
        Column("step_count", "integer", "steps of the ascent; NULL for what was not climbed", nullable=True,
               at_least=0),
        Column("is_best", "boolean", "of its unit and kind, from noise if climbed: highest response (or lowest)"),
        Column("moved", "boolean", "false: the model gave no gradient, so that the start came back"),
        Column("height_px", "integer", "rows of pixels", unit="px", at_least=1),
        Column("width_px", "integer", "columns of pixels", unit="px", at_least=1),
        Column("pixels", "blob", "float32, little-endian, rows down, then columns; 0 black, 1 white"),
    ),
    parents=OF_UNITS,
)  # fmt: skip

ASCENT_STEPS = Table(
    "derived.ascent_steps",
    "Predicted response and contrast at each step of the ascents to most exciting inputs.",
    key=("study_id", "session_id", "unit_id", "start", "seed", "step"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        UNIT,
        _START,
        _SEED,
        Column("step", "integer", "steps taken before; 0 is the start", at_least=0),
        Column("response", "double", "what the model predicts, a mean count"),
        Column("contrast", "double", "sample s.d. of the pixels", at_least=0),
    ),
    parents=OF_UNITS,
)

PATTERN_RESPONSES = Table(
    "derived.pattern_responses",
    "Responses to the session's own Gabors and gratings: measured, and as the model predicts for what was shown.",
    key=("study_id", "session_id", "unit_id", "stimulus", "condition"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        UNIT,
        Column("stimulus", "text", "as in recorded.events.name: 'gabors', 'static_gratings'"),
        Column("condition", "integer", "number of the pattern, from 0", at_least=0),
        number("x_deg", "place, right of the middle of the screen", unit="deg"),
        number("y_deg", "place, above it", unit="deg"),
        Column("orientation_deg", "double", "as the source gives it", unit="deg"),
        number("cycles_per_deg", "spatial frequency", at_least=0),
        Column("presentation_count", "integer", "presentations of it", at_least=1),
        Column("measured", "double", "mean count", at_least=0),
        Column("predicted", "double", "mean count, over a cycle of its drift"),
    ),
    parents=OF_UNITS,
)

INPUT_COMPARISONS = Table(
    "findings.input_comparisons",
    "Each unit's most exciting input held against Gabors: responses, light, contrast, symmetry, and a second network.",
    key=("study_id", "session_id", "unit_id"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        UNIT,
        PROTOCOL,
        Column("start_count", "integer", "noise starts of the most exciting input", at_least=1),
        number("mei_response", "to the best most exciting input, a mean count"),
        number("mei_mean", "mean over noise starts"),
        number("mei_low", "lower end of its 95 % interval over starts; NULL with one"),
        number("mei_high", "upper end of it"),
        correlation("seed_agreement", "correlation over pixels of the images from every two noise starts, mean"),
        correlation("start_agreement", "the same of the best from noise, black, grey and white"),
        number("blank_response", "to plain grey"),
        number("natural_response", "highest to any image of the session"),
        number("mii_response", "to the most inhibiting input"),
        number("top_gabors_response", "to the mean of the three Gabors that the unit fired most for"),
        number("best_gabor_response", "to the best Gabor of the same norm"),
        number("mei_luminance", "sum within the disc by pi r ** 2", at_least=0),
        number("gabor_luminance", "of the Gabor: the top three's mean, or the best one where none were shown",
                at_least=0),
        number("mei_contrast", "population s.d. within the disc", at_least=0),
        number("gabor_contrast", "of that Gabor", at_least=0),
        number("mei_one_fold", "1-fold symmetry of the spectrum", at_least=0),
        number("gabor_one_fold", "of that Gabor", at_least=0),
        number("mei_two_fold", "2-fold symmetry of the spectrum", at_least=0),
        number("gabor_two_fold", "of that Gabor", at_least=0),
        number("mei_cycles_per_px", "mean spatial frequency, weighted by power", at_least=0),
        number("gabor_cycles_per_px", "of that Gabor", at_least=0),
        correlation("gabor_r", "correlation over pixels of the two within the disc"),
        number("mask_column_px", "middle of the most exciting input's disc", unit="px"),
        number("mask_row_px", "middle of it", unit="px"),
        number("mask_radius_px", "radius of it", unit="px", at_least=0),
        number("best_x_px", "of the best Gabor, right of the image's middle", unit="px"),
        number("best_y_px", "of the best Gabor, above it", unit="px"),
        number("best_orientation_deg", "of the best Gabor", unit="deg"),
        number("best_cycles_per_px", "of the best Gabor", at_least=0),
        number("best_sigma_px", "of the best Gabor", unit="px", at_least=0),
        number("phase_modulation", "F1 / F0 over the best Gabor's phase; below 1: phase-invariant, as complex cells"),
        correlation("diverse_likeness", "mean correlation over pixels of the diverse exciting inputs"),
        correlation("pattern_r", "predicted with measured responses to the session's own Gabors or gratings"),
        number("second_response", "of a second, independently trained network to the first one's image"),
        number("second_own_response", "of that network to the image that it found itself"),
        number("second_share", "the first above blank as a share of the second"),
        number("second_above", "share of the session's images that it responds less to", at_least=0),
        correlation("second_r", "correlation over pixels of the two networks' images"),
    ),
    parents=OF_UNITS,
)  # fmt: skip
