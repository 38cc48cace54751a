"""Tables of the study of image coding: how reliable units are, what models predict of them, and what excites them."""

from storage.declaration import Column, Table
from storage.shared_columns import PROTOCOL, SESSION, STUDY, UNIT, WARNING

_OF_UNITS = {"recorded.units": ("session_id", "unit_id"), "findings.studies": ("study_id",)}
_OF_SESSIONS = {"recorded.sessions": ("session_id",), "findings.studies": ("study_id",)}
_MODEL = Column("model", "text", "what predicts: 'network 1', 'mean of 2 networks', 'ridge on pixels'")
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


def _r(name: str, meaning: str) -> Column:
    """A correlation, which may be undefined."""
    return Column(name, "double", meaning, nullable=True, at_least=-1, at_most=1)


def _number(name: str, meaning: str, unit: str | None = None, at_least: float | None = None) -> Column:
    """A number that may be undefined."""
    return Column(name, "double", meaning, unit=unit, nullable=True, at_least=at_least)


UNIT_RELIABILITY = Table(
    "derived.unit_reliability",
    "How reliably each unit answers images, what sets it apart from the others, and whether it is studied further.",
    key=("study_id", "session_id", "unit_id"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        UNIT,
        Column("spike_count", "bigint", "spikes in the windows of all images", at_least=0),
        Column("image_count", "integer", "images shown more than once: reliability is measured on those", at_least=0),
        _number("mean_count", "mean over images of the mean count", at_least=0),
        _number("variance", "variance over images of the mean count", at_least=0),
        _number("entropy_nats", "entropy of the distinct mean counts", unit="nats", at_least=0),
        _r("oracle", "a trial with the mean of the other trials of its image, over all trials"),
        _r("oracle_published", "as the source reckoned it: one trial an image, without silent ones, with the blank"),
        _r("oracle_low", "lower end of the 95 % interval of the oracle, by bootstrap over images"),
        _r("oracle_high", "upper end of it"),
        _r("split_half", "means of random halves of the trials, mean over splits"),
        _r("spearman_brown", "the same for all trials, 2 r / (1 + r); lower than -1 is given as NULL"),
        Column("explainable_variance", "double", "share of variance that is not between repeats (Cadena et al. 2019)",
               nullable=True, at_most=1),
        _number("signal_to_noise", "variance of the means over images by that over repeats", at_least=0),
        Column("outlying", "boolean", "an isolation forest sets its responses apart"),
        _number("outlier_score", "of the forest, lower the more outlying"),
        Column("most_alike_unit_id", "bigint", "the unit whose mean responses are most like its own", nullable=True),
        _r("highest_r", "correlation with that one"),
        Column("least_alike_unit_id", "bigint", "the unit whose mean responses are least like its own", nullable=True),
        _r("lowest_r", "correlation with that one"),
        Column("chosen_by_percentile", "boolean", "oracle and variance above their percentiles, as the source chose"),
        Column("chosen_by_reliability", "boolean", "the interval of its oracle lies above 0"),
        Column("note", "text", "what could not be measured, and why", nullable=True),
    ),
    parents=_OF_UNITS,
)  # fmt: skip

UNIT_PAIRS = Table(
    "derived.unit_pairs",
    "Pairs of units whose mean responses to images are very much alike (r above .7) or opposite (below -.55).",
    key=("study_id", "session_id", "unit_id", "other_unit_id"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        UNIT,
        Column("other_unit_id", "bigint", "the other unit of the pair"),
        Column("r", "double", "correlation over images", at_least=-1, at_most=1),
    ),
    parents=_OF_UNITS,
)

RASTER_ORDER = Table(
    "derived.raster_order",
    "The order in which a raster shows its units: those that fire alike beside each other.",
    key=("study_id", "session_id", "scope", "unit_id"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        Column("scope", "text", "which activity was sorted: 'all blocks', 'block 1', ..."),
        UNIT,
        Column("place", "integer", "from the top, from 0", at_least=0),
        Column("rule", "text", "what sorted it: 'rastermap', or for fewer units 'similarity'"),
    ),
    parents=_OF_UNITS,
)

PRESENTATION_PSTHS = Table(
    "derived.presentation_psths",
    "Firing rate of each unit around the onset of images.",
    key=("study_id", "session_id", "unit_id", "shown", "bin"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        UNIT,
        Column("shown", "text", "averaged over what", one_of=("all images", "best image", "blank")),
        Column("bin", "integer", "number of the bin, from 0", at_least=0),
        Column("centre_s", "double", "its middle, from onset", unit="s"),
        Column("rate_hz", "double", "mean over presentations", unit="Hz", at_least=0),
        Column("presentation_count", "integer", "presentations behind it", at_least=1),
    ),
    parents=_OF_UNITS,
)

ENCODING_MODELS = Table(
    "findings.encoding_models",
    "Each model of a session's units: what it learned from, where, how long, and its place in the registry.",
    key=("study_id", "session_id", "model"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        PROTOCOL,
        _MODEL,
        Column("kind", "text", "what it is", one_of=("network", "linear")),
        Column("unit_count", "integer", "units that it predicts", at_least=1),
        Column("train_count", "integer", "images that it learned from", at_least=1),
        Column("validation_count", "integer", "images that ended its training or chose its penalty", at_least=0),
        Column("test_count", "integer", "images held out", at_least=1),
        Column("height_px", "integer", "of the images as it sees them", unit="px", at_least=1),
        Column("width_px", "integer", "of the images as it sees them", unit="px", at_least=1),
        Column("epoch_count", "integer", "epochs taken, over all of its networks", nullable=True, at_least=1),
        Column("device", "text", "'cpu' or 'cuda'"),
        Column("duration_s", "double", "how long training took", unit="s", at_least=0),
        Column("model_name", "text", "name in the MLflow registry; NULL for what is not registered", nullable=True),
        Column("model_version", "integer", "version in the registry", nullable=True, at_least=1),
        Column("mlflow_run_id", "text", "training run", nullable=True),
        _number("score", "median over units of the correlation to the mean, on images held out by it and the champion"),
        Column("champion_version", "integer", "champion it was held against, NULL if none", nullable=True),
        _number("champion_score", "that champion's score on the same images and units"),
        Column("promoted", "boolean", "it is champion now; NULL for what is not registered", nullable=True),
    ),
    parents=_OF_SESSIONS,
)

LEARNING_CURVES = Table(
    "derived.learning_curves",
    "How each network learned: one row per network and epoch.",
    key=("study_id", "session_id", "network", "epoch"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        Column("network", "text", "'network 1', or under 'published' 'unit <unit_id>': each has one of its own"),
        Column("epoch", "integer", "from 1", at_least=1),
        Column("train_loss", "double", "per presentation and unit, in multiples of the unit's scale", nullable=True),
        Column("validation_loss", "double", "the same on images that it does not learn from", nullable=True),
        _r("validation_correlation", "to the mean responses to those, mean over units"),
        Column("learning_rate", "double", "of this epoch", above=0),
        Column("is_best", "boolean", "the weights of this epoch were kept"),
    ),
    parents=_OF_SESSIONS,
)

ENCODING_SCORES = Table(
    "findings.encoding_scores",
    "How well each model predicts each unit's responses to images that it learned from, or that were held out.",
    key=("study_id", "session_id", "unit_id", "model", "side"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        UNIT,
        PROTOCOL,
        _MODEL,
        Column("side", "text", "of the split by image", one_of=("train", "test")),
        Column("image_count", "integer", "images of that side", at_least=1),
        _r("correlation_to_mean", "prediction with the mean response, over images"),
        _r("single_trial_correlation", "prediction with the response, over trials"),
        _number("fraction_of_oracle", "single-trial correlation by the oracle of the same trials"),
        _number("noise_corrected_correlation", "correlation to the mean by the noise ceiling"),
        _number("explained_explainable_variance", "share explained of the variance that is not noise"),
        _number("noise_ceiling", "root of the Spearman-Brown split half of these images", at_least=0),
        _r("oracle", "a trial with the mean of the others, of these images"),
    ),
    parents=_OF_UNITS,
)

PREDICTED_RESPONSES = Table(
    "derived.predicted_responses",
    "What each model predicts of each unit for the images held out, beside what was measured.",
    key=("study_id", "session_id", "unit_id", "model", "image_name"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        UNIT,
        _MODEL,
        Column("image_name", "text", "the image, as in recorded.images"),
        Column("predicted", "double", "mean count in the window"),
        Column("measured", "double", "mean count over repeats", at_least=0),
        Column("presentation_count", "integer", "repeats behind it", at_least=1),
    ),
    parents=_OF_UNITS,
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
    parents=_OF_UNITS,
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
    parents=_OF_UNITS,
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
        _number("x_deg", "place, right of the middle of the screen", unit="deg"),
        _number("y_deg", "place, above it", unit="deg"),
        Column("orientation_deg", "double", "as the source gives it", unit="deg"),
        _number("cycles_per_deg", "spatial frequency", at_least=0),
        Column("presentation_count", "integer", "presentations of it", at_least=1),
        Column("measured", "double", "mean count", at_least=0),
        Column("predicted", "double", "mean count, over a cycle of its drift"),
    ),
    parents=_OF_UNITS,
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
        _number("mei_response", "to the best most exciting input, a mean count"),
        _number("mei_mean", "mean over noise starts"),
        _number("mei_low", "lower end of its 95 % interval over starts; NULL with one"),
        _number("mei_high", "upper end of it"),
        _r("seed_agreement", "correlation over pixels of the images from every two noise starts, mean"),
        _r("start_agreement", "the same of the best from noise, black, grey and white"),
        _number("blank_response", "to plain grey"),
        _number("natural_response", "highest to any image of the session"),
        _number("mii_response", "to the most inhibiting input"),
        _number("top_gabors_response", "to the mean of the three Gabors that the unit fired most for"),
        _number("best_gabor_response", "to the best Gabor of the same norm"),
        _number("mei_luminance", "sum within the disc by pi r ** 2", at_least=0),
        _number("gabor_luminance", "of the Gabor: the top three's mean, or the best one where none were shown",
                at_least=0),
        _number("mei_contrast", "population s.d. within the disc", at_least=0),
        _number("gabor_contrast", "of that Gabor", at_least=0),
        _number("mei_one_fold", "1-fold symmetry of the spectrum", at_least=0),
        _number("gabor_one_fold", "of that Gabor", at_least=0),
        _number("mei_two_fold", "2-fold symmetry of the spectrum", at_least=0),
        _number("gabor_two_fold", "of that Gabor", at_least=0),
        _number("mei_cycles_per_px", "mean spatial frequency, weighted by power", at_least=0),
        _number("gabor_cycles_per_px", "of that Gabor", at_least=0),
        _r("gabor_r", "correlation over pixels of the two within the disc"),
        _number("mask_column_px", "middle of the most exciting input's disc", unit="px"),
        _number("mask_row_px", "middle of it", unit="px"),
        _number("mask_radius_px", "radius of it", unit="px", at_least=0),
        _number("best_x_px", "of the best Gabor, right of the image's middle", unit="px"),
        _number("best_y_px", "of the best Gabor, above it", unit="px"),
        _number("best_orientation_deg", "of the best Gabor", unit="deg"),
        _number("best_cycles_per_px", "of the best Gabor", at_least=0),
        _number("best_sigma_px", "of the best Gabor", unit="px", at_least=0),
        _number("phase_modulation", "F1 / F0 over the best Gabor's phase; below 1: phase-invariant, as complex cells"),
        _r("diverse_likeness", "mean correlation over pixels of the diverse exciting inputs"),
        _r("pattern_r", "predicted with measured responses to the session's own Gabors or gratings"),
        _number("second_response", "of a second, independently trained network to the first one's image"),
        _number("second_own_response", "of that network to the image that it found itself"),
        _number("second_share", "the first above blank as a share of the second"),
        _number("second_above", "share of the session's images that it responds less to", at_least=0),
        _r("second_r", "correlation over pixels of the two networks' images"),
    ),
    parents=_OF_UNITS,
)  # fmt: skip

IMAGE_CODING = Table(
    "findings.image_coding",
    "Each kind of model over a project's units: how much of what can be predicted it predicts on images held out, and "
    "by how much it differs from the best linear one.",
    key=("study_id", "protocol", "model"),
    replaced_by=("study_id",),
    columns=(
        STUDY,
        PROTOCOL,
        _MODEL,
        Column("kind", "text", "what it is", one_of=("network", "linear")),
        Column("session_count", "integer", "sessions", at_least=1),
        Column("unit_count", "integer", "units with a score", at_least=1),
        _r("correlation_to_mean", "median over units"),
        _r("single_trial_correlation", "median over units"),
        _number("fraction_of_oracle", "median over units"),
        _number("noise_corrected_correlation", "median over units"),
        _number("explained_explainable_variance", "median over units"),
        _number("noise_ceiling", "median over units", at_least=0),
        Column("linear_model", "text", "the best linear model of the same units; NULL for itself", nullable=True),
        _number("difference", "median over units of correlation to the mean less that of the linear model"),
        _number("ci_low", "lower end of its 95 % interval, by bootstrap over units"),
        _number("ci_high", "upper end of it"),
        Column("p", "double", "Wilcoxon's signed ranks, two-sided", nullable=True, at_least=0, at_most=1),
        WARNING,
    ),
    parents={"findings.studies": ("study_id",)},
)
