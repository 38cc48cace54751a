"""What a planted mouse saw and did in a change-detection session, as the tables that the AllenSDK's objects take."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

IMAGE_SETS = {
    "A": (
        "Natural_Images_Lum_Matched_set_training_2017.07.14",
        ("im061", "im062", "im063", "im065", "im066", "im069", "im077", "im085"),
    ),
    "B": (
        "Natural_Images_Lum_Matched_set_ophys_6_2017.07.14",
        ("im000", "im031", "im035", "im045", "im054", "im073", "im075", "im106"),
    ),
    "G": (
        "Natural_Images_Lum_Matched_set_ophys_G_2019.05.26",
        ("im012", "im036", "im044", "im047", "im078", "im083", "im111", "im115"),
    ),
    "H": (
        "Natural_Images_Lum_Matched_set_ophys_H_2019.05.26",
        ("im005", "im024", "im034", "im083", "im087", "im104", "im111", "im114"),
    ),
}
MONITOR_DELAY_S = 0.02115
STIMULUS_HZ = 59.94
FLASH_FRAMES, FLASHES_EVERY_FRAMES = 15, 45
RESPONSE_WINDOW_S = (0.15, 0.75)
MOVIE_FRAMES, MOVIE_HZ = 900, 30


@dataclass(frozen=True)
class Behavior:
    """Tables of one session; times in seconds on the sync clock, frames counted on the stimulus monitor."""

    frame_s: np.ndarray  # (n_frames,), when the computer drew each frame, before the monitor's delay
    presentations: pd.DataFrame
    trials: pd.DataFrame
    licks: pd.DataFrame
    rewards: pd.DataFrame
    running: pd.DataFrame  # index timestamps; dx, v_in, v_sig, speed, raw_speed
    eye: pd.DataFrame


def planted_behavior(minutes: float, image_set: str, passive: bool, rng: np.random.Generator) -> Behavior:
    """Gray, task, gray, movie: a fifteenth of the time each for gray and movie (5 min of 75), the rest for the task."""
    block_frames = int(minutes * 4 * STIMULUS_HZ)
    task_frames = int(minutes * 60 * STIMULUS_HZ) - 3 * block_frames
    n_frames = task_frames + 3 * block_frames
    frame_s = 12.5 + np.cumsum(np.full(n_frames, 1 / STIMULUS_HZ) + rng.normal(0, 1e-5, n_frames))
    seen_s = frame_s + MONITOR_DELAY_S
    name, images = IMAGE_SETS[image_set]
    flashes, trials = _task(block_frames, task_frames // FLASHES_EVERY_FRAMES, images, passive, rng)
    flashes = flashes.assign(image_set=np.where(flashes["omitted"], "omitted", name), is_image_novel=image_set in "BH")
    flashes.loc[flashes["omitted"], "is_image_novel"] = np.nan
    movie = _movie(n_frames - block_frames, block_frames)
    blocks = [
        _gray(0, 0, block_frames),
        flashes.assign(stimulus_block=1, stimulus_name=name.split(".")[0]),
        _gray(2, n_frames - 2 * block_frames, n_frames - block_frames),
        movie.assign(stimulus_block=3, stimulus_name="natural_movie_one"),
    ]
    shown = pd.concat(blocks, ignore_index=True)
    shown["start_time"] = seen_s[shown["start_frame"]]
    shown["stop_time"] = seen_s[np.minimum(shown["end_frame"], n_frames - 1)]
    task = "passive" if passive else "behavior"
    block_names = ("initial_gray_screen_5min", f"change_detection_{task}", "post_behavior_gray_screen_5min")
    shown["stimulus_block_name"] = shown["stimulus_block"].map(dict(enumerate((*block_names, "natural_movie_one"))))
    # What the SDK itself writes down of an omission: it lasts a quarter of a second.
    omitted = shown["omitted"].eq(True)
    shown.loc[omitted, "stop_time"] = shown.loc[omitted, "start_time"] + 0.25
    shown["duration"] = shown["stop_time"] - shown["start_time"]
    shown = shown.astype({"omitted": "boolean", "is_change": "boolean", "is_image_novel": "boolean"})
    trials, licks, rewards = _responses(trials, frame_s, rng)
    return Behavior(frame_s, shown, trials, licks, rewards, _running(frame_s, rng), _eye(frame_s, rng))


def _gray(block: int, start: int, stop: int) -> pd.DataFrame:
    row = {"start_frame": [start], "end_frame": [stop], "stimulus_block": [block], "stimulus_name": ["spontaneous"]}
    return pd.DataFrame(row)


def _movie(start: int, n_frames: int) -> pd.DataFrame:
    count = int(n_frames / STIMULUS_HZ * MOVIE_HZ)
    shown = np.arange(count)
    first = start + np.floor(shown * STIMULUS_HZ / MOVIE_HZ).astype(int)
    return pd.DataFrame(
        {
            "start_frame": first,
            "end_frame": first + 2,
            "movie_frame_index": shown % MOVIE_FRAMES,
            "movie_repeat": shown // MOVIE_FRAMES,
        }
    )


def _task(
    first_frame: int, n_flashes: int, images: tuple[str, ...], passive: bool, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Flashes in a train, some omitted, and trials: each ends in a change, a sham change, or is aborted by a lick."""
    shown: list[dict] = []
    trials: list[dict] = []
    image, since_change = 0, 0
    while True:
        kind = "auto_rewarded" if len(trials) < 2 and not passive else rng.choice(["go", "go", "catch", "aborted"])
        if kind == "aborted" and passive:
            kind = "go"
        before = int(rng.integers(2, 4)) if kind == "aborted" else int(rng.integers(4, 10))
        length = before + (0 if kind == "aborted" else 4)
        if len(shown) + length > n_flashes:
            break
        changes = kind in ("go", "auto_rewarded")
        trial = {"kind": kind, "first_flash": len(shown), "initial_image_name": images[image], "change_frame": np.nan}
        for flash in range(length):
            onset = flash == before and kind != "aborted"
            if onset and changes:
                image = int((image + rng.integers(1, len(images))) % len(images))
                since_change = 0
            near_change = kind != "aborted" and before - 1 <= flash <= before
            omitted = len(shown) > 8 and not near_change and rng.random() < 0.05
            if onset:
                trial["change_frame"] = first_frame + len(shown) * FLASHES_EVERY_FRAMES
            since_change += 0 if omitted or not shown or (onset and changes) else 1
            start = first_frame + len(shown) * FLASHES_EVERY_FRAMES
            shown.append(
                {
                    "start_frame": start,
                    "end_frame": start + FLASH_FRAMES,
                    "image_name": "omitted" if omitted else images[image],
                    "image_index": len(images) if omitted else image,
                    "omitted": omitted,
                    "is_change": onset and changes,
                    "flashes_since_change": since_change,
                }
            )
        trial["start_frame"] = first_frame + trial["first_flash"] * FLASHES_EVERY_FRAMES - 6
        trial["end_frame"] = trial["start_frame"] + length * FLASHES_EVERY_FRAMES
        trials.append(trial | {"change_image_name": images[image], "licks_wanted": not passive})
    return pd.DataFrame(shown), pd.DataFrame(trials)


def _responses(
    planned: pd.DataFrame, frame_s: np.ndarray, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Trials in the SDK's columns, and the licks and rewards that go with them."""
    rows: list[dict] = []
    lick_frames: list[int] = []
    rewards: list[dict] = []
    for trial in planned.itertuples():
        go, catch, auto, aborted = (trial.kind == kind for kind in ("go", "catch", "auto_rewarded", "aborted"))
        change_s = np.nan if aborted else frame_s[int(trial.change_frame)] + MONITOR_DELAY_S
        answers = trial.licks_wanted and (aborted or auto or rng.random() < (0.7 if go else 0.2))
        first = (
            trial.end_frame - 20 if aborted else (0 if np.isnan(trial.change_frame) else int(trial.change_frame) + 24)
        )
        frames = [first + 8 * lick for lick in range(int(rng.integers(1, 5)))] if answers else []
        lick_frames += frames
        licks_s = frame_s[frames]
        hit, rewarded = bool(go and answers), bool(trial.licks_wanted and (auto or (go and answers)))
        volume = (0.005 if auto else 0.007) if rewarded else 0.0
        reward_s = frame_s[int(trial.change_frame) + 25] if rewarded else np.nan
        if rewarded:
            rewards.append({"volume": volume, "timestamps": reward_s, "auto_rewarded": auto})
        latency = np.nan if aborted else (licks_s[0] - change_s if answers else np.inf)
        rows.append(
            {
                "initial_image_name": trial.initial_image_name,
                "change_image_name": trial.change_image_name,
                "stimulus_change": go or auto,
                "change_time": change_s,
                "go": go,
                "catch": catch,
                "lick_times": licks_s,
                "response_time": np.nan if aborted or not answers else licks_s[0],
                "response_latency": latency,
                "reward_time": reward_s,
                "reward_volume": volume,
                "hit": hit,
                "false_alarm": bool(catch and answers),
                "miss": bool(go and not answers),
                "correct_reject": bool(catch and not answers),
                "aborted": aborted,
                "auto_rewarded": auto,
                "change_frame": trial.change_frame,
                "start_time": frame_s[trial.start_frame],
                "stop_time": frame_s[trial.end_frame],
                "trial_length": frame_s[trial.end_frame] - frame_s[trial.start_frame],
            }
        )
    licks = pd.DataFrame({"timestamps": frame_s[lick_frames], "frame": np.array(lick_frames, dtype=int)})
    trials = pd.DataFrame(rows, index=pd.RangeIndex(len(rows), name="trials_id"))
    return trials, licks, pd.DataFrame(rewards, columns=["volume", "timestamps", "auto_rewarded"])


def _running(frame_s: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    speed = 20 * np.clip(np.sin(frame_s / 30), 0, None) + 0.5
    noisy = speed + rng.normal(0, 1.5, len(frame_s))
    turned = np.cumsum(noisy) / STIMULUS_HZ
    wheel = {"dx": noisy / STIMULUS_HZ, "v_in": np.full(len(frame_s), 5.0), "v_sig": (turned % 41) / 41 * 5}
    values = wheel | {"speed": speed, "raw_speed": noisy}
    return pd.DataFrame(values, index=pd.Index(frame_s, name="timestamps"))


def _eye(frame_s: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Ellipses as DeepLabCut's fits give them: half axes in pixels, NaN where no fit was found."""
    camera_s = np.arange(frame_s[0] + 0.4, frame_s[-1] + 1, 1 / 30)
    n = len(camera_s)
    blink = (np.arange(n) % 400) < 6
    columns: dict[str, np.ndarray] = {"timestamps": camera_s}
    for part, half_width, half_height in (("cr", 6.0, 5.0), ("eye", 140.0, 110.0), ("pupil", 45.0, 43.0)):
        swell = 1 + 0.05 * np.sin(camera_s / 7)
        columns |= {
            f"{part}_center_x": 320 + rng.normal(0, 2, n),
            f"{part}_center_y": 240 + rng.normal(0, 2, n),
            f"{part}_width": half_width * swell + rng.normal(0, 0.2, n),
            f"{part}_height": half_height * swell + rng.normal(0, 0.2, n),
            f"{part}_phi": rng.normal(0, 0.1, n),
        }
        for column in ("center_x", "center_y", "width", "height", "phi") if part != "cr" else ():
            columns[f"{part}_{column}"][blink] = np.nan
    return pd.DataFrame(columns, index=pd.RangeIndex(n, name="frame"))
