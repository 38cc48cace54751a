"""Tables of the study of image coding: how reliable units are, and what models predict of them."""

from storage.declaration import Column, Table
from storage.image_coding_columns import MODEL, OF_SESSIONS, OF_UNITS, correlation, number
from storage.shared_columns import PROTOCOL, SESSION, STUDY, UNIT, WARNING

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
        number("mean_count", "mean over images of the mean count", at_least=0),
        number("variance", "variance over images of the mean count", at_least=0),
        number("entropy_nats", "entropy of the distinct mean counts", unit="nats", at_least=0),
        correlation("oracle", "a trial with the mean of the other trials of its image, over all trials"),
        correlation("oracle_published", "as the source reckoned it: one trial an image, none silent, with the blank"),
        correlation("oracle_low", "lower end of the 95 % interval of the oracle, by bootstrap over images"),
        correlation("oracle_high", "upper end of it"),
        correlation("split_half", "means of random halves of the trials, mean over splits"),
        correlation("spearman_brown", "the same for all trials, 2 r / (1 + r); lower than -1 is given as NULL"),
        Column("explainable_variance", "double", "share of variance that is not between repeats (Cadena et al. 2019)",
               nullable=True, at_most=1),
        number("signal_to_noise", "variance of the means over images by that over repeats", at_least=0),
        Column("outlying", "boolean", "an isolation forest sets its responses apart"),
        number("outlier_score", "of the forest, lower the more outlying"),
        Column("most_alike_unit_id", "bigint", "the unit whose mean responses are most like its own", nullable=True),
        correlation("highest_r", "correlation with that one"),
        Column("least_alike_unit_id", "bigint", "the unit whose mean responses are least like its own", nullable=True),
        correlation("lowest_r", "correlation with that one"),
        Column("chosen_by_percentile", "boolean", "oracle and variance above their percentiles, as the source chose"),
        Column("chosen_by_reliability", "boolean", "the interval of its oracle lies above 0"),
        Column("note", "text", "what could not be measured, and why", nullable=True),
    ),
    parents=OF_UNITS,
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
    parents=OF_UNITS,
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
    parents=OF_UNITS,
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
    parents=OF_UNITS,
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
        MODEL,
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
        number("score", "median over units of the correlation to the mean, on images held out by it and the champion"),
        Column("champion_version", "integer", "champion it was held against, NULL if none", nullable=True),
        number("champion_score", "that champion's score on the same images and units"),
        Column("promoted", "boolean", "it is champion now; NULL for what is not registered", nullable=True),
    ),
    parents=OF_SESSIONS,
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
        correlation("validation_correlation", "to the mean responses to those, mean over units"),
        Column("learning_rate", "double", "of this epoch", above=0),
        Column("is_best", "boolean", "the weights of this epoch were kept"),
    ),
    parents=OF_SESSIONS,
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
        MODEL,
        Column("side", "text", "of the split by image", one_of=("train", "test")),
        Column("image_count", "integer", "images of that side", at_least=1),
        correlation("correlation_to_mean", "prediction with the mean response, over images"),
        correlation("single_trial_correlation", "prediction with the response, over trials"),
        number("fraction_of_oracle", "single-trial correlation by the oracle of the same trials"),
        number("noise_corrected_correlation", "correlation to the mean by the noise ceiling"),
        number("explained_explainable_variance", "share explained of the variance that is not noise"),
        number("noise_ceiling", "root of the Spearman-Brown split half of these images", at_least=0),
        correlation("oracle", "a trial with the mean of the others, of these images"),
    ),
    parents=OF_UNITS,
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
        MODEL,
        Column("image_name", "text", "the image, as in recorded.images"),
        Column("predicted", "double", "mean count in the window"),
        Column("measured", "double", "mean count over repeats", at_least=0),
        Column("presentation_count", "integer", "repeats behind it", at_least=1),
    ),
    parents=OF_UNITS,
)

IMAGE_CODING = Table(
    "findings.image_coding",
    "Each kind of model over a project's units: how much of what can be predicted it predicts on images held out, and "
    "by how much it differs from the best linear one.",
    key=("study_id", "protocol", "model"),
    replaced_by=("study_id",),
    columns=(
        STUDY,
        PROTOCOL,
        MODEL,
        Column("kind", "text", "what it is", one_of=("network", "linear")),
        Column("session_count", "integer", "sessions", at_least=1),
        Column("unit_count", "integer", "units with a score", at_least=1),
        correlation("correlation_to_mean", "median over units"),
        correlation("single_trial_correlation", "median over units"),
        number("fraction_of_oracle", "median over units"),
        number("noise_corrected_correlation", "median over units"),
        number("explained_explainable_variance", "median over units"),
        number("noise_ceiling", "median over units", at_least=0),
        Column("linear_model", "text", "the best linear model of the same units; NULL for itself", nullable=True),
        number("difference", "median over units of correlation to the mean less that of the linear model"),
        number("ci_low", "lower end of its 95 % interval, by bootstrap over units"),
        number("ci_high", "upper end of it"),
        Column("p", "double", "Wilcoxon's signed ranks, two-sided", nullable=True, at_least=0, at_most=1),
        WARNING,
    ),
    parents={"findings.studies": ("study_id",)},
)
