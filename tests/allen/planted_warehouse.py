"""A local server that answers the warehouse queries which the AllenSDK makes, its NWB files written by the AllenSDK.

Rows have the fields of the real models, in pages; a request that the SDK does not make is answered with an error.
"""

import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from breaking_proxy import BreakingProxy
from planted_neuropixels import PlantedSession, write_session

PAGE_ROWS = 25
PLANTED = (
    PlantedSession(units=6, minutes=0.4, ecephys_session_id=715093703),
    PlantedSession(
        units=6,
        minutes=0.4,
        seed=8,
        ecephys_session_id=754312389,
        specimen_id=738651046,
        specimen_name="C57BL/6J-404553",
        full_genotype="wt/wt",
        session_type="functional_connectivity",
    ),
)
STRUCTURES = {715093703: ("VISp", "CA1", None), 754312389: ("VISl", "LGd", "CA1")}


@dataclass
class Warehouse:
    """The served warehouse: the planted files by session, the proxy before it, and the queries it was asked."""

    proxy: BreakingProxy
    files: dict[int, Path]
    skips: bool = True  # whether a download may begin in the middle
    says_length: bool = True
    says_version: bool = True
    queries: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return self.proxy.address


@contextlib.contextmanager
def serve_warehouse(folder: Path) -> Iterator[Warehouse]:
    """Plant the sessions and serve them."""
    files = {}
    for planted in PLANTED:
        files[planted.ecephys_session_id] = folder / f"ecephys_session_{planted.ecephys_session_id}.nwb"
        write_session(planted, files[planted.ecephys_session_id])
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with BreakingProxy(f"http://127.0.0.1:{server.server_port}") as proxy:
        handler.warehouse = Warehouse(proxy, files)
        yield handler.warehouse
    server.shutdown()
    server.server_close()


def _rows(model: str) -> list[dict]:
    match model:
        case "EcephysSession":
            return [_session(planted) for planted in PLANTED]
        case "EcephysProbe":
            return [_probe(planted.ecephys_session_id) for planted in PLANTED]
        case "EcephysChannel":
            return [channel for planted in PLANTED for channel in _channels(planted.ecephys_session_id)]
        case "EcephysUnit":
            return [unit for planted in PLANTED for unit in _units(planted.ecephys_session_id)]
    raise KeyError(model)


def _session(planted: PlantedSession) -> dict:
    donor = {"age": {"days": planted.age_in_days}, "sex": planted.sex, "full_genotype": planted.full_genotype}
    file_kind = {"well_known_file_type": {"name": "EcephysNwb"}}
    return {
        "id": planted.ecephys_session_id,
        "date_of_acquisition": planted.acquired.isoformat(),
        "fail_eye_tracking": False,
        "isi_experiment_id": 663479824,
        "published_at": "2019-10-03T00:00:00Z",
        "specimen_id": planted.specimen_id,
        "stimulus_name": planted.session_type,
        "specimen": {"id": planted.specimen_id, "name": planted.specimen_name, "donor": donor},
        "well_known_files": [file_kind],
    }


def _probe(session: int) -> dict:
    return {
        "id": session + 1,
        "ecephys_session_id": session,
        "name": "probeA",
        "phase": "3a",
        "sampling_rate": "29999.96",
        "lfp_sampling_rate": "1249.99",
        "lfp_temporal_subsampling_factor": "2.0",
        "use_lfp_data": True,
        "air_channel_index": 373,
        "surface_channel_index": 340,
    }


def _channels(session: int) -> list[dict]:
    return [
        {
            "id": session + 100 + at,
            "ecephys_probe_id": str(session + 1),
            "local_index": str(at),
            "probe_horizontal_position": "43",
            "probe_vertical_position": str(20 * (at // 2 + 1)),
            "anterior_posterior_ccf_coordinate": "8000",
            "dorsal_ventral_ccf_coordinate": "3000",
            "left_right_ccf_coordinate": "7000",
            "ecephys_structure_id": None if acronym is None else "385",
            "ecephys_structure_acronym": acronym,
        }
        for at, acronym in enumerate(STRUCTURES[session] * 10)
    ]


def _units(session: int) -> list[dict]:
    return [
        {
            "id": session + 1000 + at,
            "ecephys_channel_id": session + 100 + at,
            "amplitude_cutoff": 0.01,
            "presence_ratio": 0.99,
            "isi_violations": 0.1,
            "quality": "good",
            "snr": 2.5,
            "firing_rate": 5.0,
        }
        for at in range(30)
    ]


class _Handler(BaseHTTPRequestHandler):
    warehouse: Warehouse

    def do_GET(self) -> None:
        path = unquote(self.path)
        if match := re.fullmatch(r"/api/v2/well_known_file_download/(\d+)", path):
            self._send_file(self.warehouse.files[int(match[1])])
        elif urlsplit(path).path == "/api/v2/data/query.json":
            self.warehouse.queries.append(path)
            self._send_rows(path)
        else:
            self.send_error(404)

    def _send_rows(self, query: str) -> None:
        model = re.search(r"criteria=model::(\w+)", query)[1]
        start = int(re.search(r"\[start_row\$eq(\d+)\]", query)[1])
        if model == "WellKnownFile":
            number = re.search(r"\[attachable_id\$eq(\d+)\]", query)[1]
            asked = "name$eq'EcephysNwb'" in query and "attachable_type$eq'EcephysSession'" in query
            link = f"/api/v2/well_known_file_download/{number}"
            rows = [{"id": int(number), "attachable_id": int(number), "download_link": link}] if asked else []
        else:
            rows = _rows(model)
        page = rows[start : start + PAGE_ROWS]
        answer = {"success": True, "start_row": start, "num_rows": len(page), "total_rows": len(rows), "msg": page}
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _send_file(self, file: Path) -> None:
        content = file.read_bytes()
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if start and self.warehouse.skips and int(start[1]) >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        version = f'"{hashlib.sha1(content).hexdigest()}"'
        same = self.headers.get("If-Range", version) == version
        at = int(start[1]) if start and self.warehouse.skips and same else 0
        self.send_response(206 if at else 200)
        if self.warehouse.says_version:
            self.send_header("ETag", version)
        if at:
            self.send_header("Content-Range", f"bytes {at}-{len(content) - 1}/{len(content)}")
        if self.warehouse.says_length:
            self.send_header("Content-Length", str(len(content) - at))
        self.end_headers()
        self.wfile.write(content[at:])

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        pass
