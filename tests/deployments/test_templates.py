"""Templates for clusters that are not here to run them: checked against their schemas and against our code."""

import json
import re
import shlex
import subprocess
from copy import deepcopy
from fnmatch import fnmatch
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from prefect.server.schemas.actions import WorkPoolCreate
from prefect.utilities.schema_tools import validate
from prefect.utilities.templating import apply_values

from flows.deploy import DEPLOYMENTS
from storage.settings import Settings

REPOSITORY = DEPLOYMENTS.parent
COMPOSE = yaml.safe_load((DEPLOYMENTS / "compose.yaml").read_text())
MANIFESTS = list(yaml.safe_load_all((DEPLOYMENTS / "kubernetes" / "worker.yaml").read_text()))
JOB_TEMPLATES = {
    "docker": json.loads((DEPLOYMENTS / "docker" / "job-template.json").read_text()),
    "kubernetes": json.loads((DEPLOYMENTS / "kubernetes" / "job-template.json").read_text()),
}
SECRET = re.compile(r"PASSWORD|SECRET|ACCESS_KEY|AUTH|CATALOG|DATABASE_CONNECTION|BACKEND_STORE")
FROM_ENVIRONMENT = re.compile(r"\$\{\w+:([-?])([^}]*)\}")


@pytest.mark.parametrize("service", COMPOSE["services"].items(), ids=lambda item: item[0])
def test_a_service_of_the_compose_file_names_only_what_is_there(service: tuple[str, dict]) -> None:
    _, content = service
    assert content["image"]
    assert set(content.get("depends_on", {})) <= set(COMPOSE["services"])
    for mount in content.get("volumes", []):
        source = mount.partition(":")[0]
        assert source in COMPOSE["volumes"] or source.startswith("${RECORDINGS")
    assert {one["source"] for one in content.get("configs", [])} <= set(COMPOSE["configs"])
    for port in content.get("ports", []):
        assert port.startswith("127.0.0.1:")
    if build := content.get("build"):
        assert (DEPLOYMENTS / build["context"] / build["dockerfile"]).exists()
        assert build["target"] in targets()


def test_a_service_waits_only_for_services_that_say_when_they_are_ready() -> None:
    for service in COMPOSE["services"].values():
        for name, waits in service.get("depends_on", {}).items():
            if waits["condition"] == "service_healthy":
                assert "healthcheck" in COMPOSE["services"][name]


def test_passwords_of_the_compose_file_come_from_the_environment_alone() -> None:
    given = [item for service in COMPOSE["services"].values() for item in service.get("environment", {}).items()]
    secrets = {name: value for name, value in given if SECRET.search(name)}
    assert {"POSTGRES_PASSWORD", "NEUROLAKE_CATALOG", "AWS_SECRET_ACCESS_KEY"} <= secrets.keys()
    for name, value in secrets.items():
        assert ":?" in value, f"{name} has a value of its own: {value}"


def test_the_settings_of_the_compose_file_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in COMPOSE["services"]["worker-cpu"]["environment"].items():
        monkeypatch.setenv(name, FROM_ENVIRONMENT.sub(lambda given: given[2] if given[1] == "-" else "x", value))
    settings = Settings()
    assert settings.data_on_s3
    assert settings.catalog.startswith("postgresql://")


def test_images_have_a_target_for_each_pool_and_run_as_nobody_special() -> None:
    assert {"cpu", "gpu", "allen"} <= targets().keys()
    for name in ("cpu", "gpu", "allen"):
        instructions = targets()[name]
        assert [argument for word, argument in instructions if word == "USER"][-1:] == ["lab"]
        command = json.loads(next(argument for word, argument in instructions if word == "CMD"))
        assert command[:3] == ["prefect", "worker", "start"]
        assert command[command.index("--pool") + 1] == name


def test_what_an_image_copies_is_there_and_not_ignored() -> None:
    ignored = (DEPLOYMENTS / "docker" / "Dockerfile.dockerignore").read_text().split("\n")
    kept = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    for name in kept:
        assert (REPOSITORY / name).exists(), name
    assert {"flows", "tasks", "models", "storage", "sql", "deployments"} <= set(kept)
    for instructions in targets().values():
        for word, argument in instructions:
            for source in argument.split()[:-1] if word == "COPY" else []:
                assert (REPOSITORY / source).exists(), source
                assert source == "." or any(fnmatch(source, f"{name}*") for name in kept), source


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest["kind"])
def test_a_manifest_fits_the_schema_of_kubernetes(manifest: dict) -> None:
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_the_schema_of_kubernetes_refuses_a_misspelt_manifest() -> None:
    broken = deepcopy(next(one for one in MANIFESTS if one["kind"] == "Deployment"))
    broken["spec"]["replica"] = broken["spec"].pop("replicas")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("kind", JOB_TEMPLATES)
def test_prefect_takes_a_pool_of_the_job_template(kind: str) -> None:
    template = JOB_TEMPLATES[kind]
    WorkPoolCreate(name=f"{kind}-pool", type=kind, base_job_template=template)
    defaults = {name: one["default"] for name, one in template["variables"]["properties"].items() if "default" in one}
    validate(defaults, template["variables"], raise_on_error=True)
    without = deepcopy(template)
    without["variables"]["properties"].pop("image")
    with pytest.raises(ValueError, match="variables specified in the job configuration template"):
        WorkPoolCreate(name=f"{kind}-pool", type=kind, base_job_template=without)


@pytest.mark.parametrize("gpus", [0, 2])
def test_a_job_asks_kubernetes_for_its_devices(gpus: int) -> None:
    template = JOB_TEMPLATES["kubernetes"]
    values = {name: one["default"] for name, one in template["variables"]["properties"].items() if "default" in one}
    values |= {"gpus": gpus, "name": "night", "command": ["prefect", "flow-run", "execute"], "labels": {}}
    # The worker writes variables as Kubernetes lists them.
    values["env"] = [{"name": name, "value": value} for name, value in values["env"].items()]
    job = apply_values(template["job_configuration"]["job_manifest"], values)
    kubernetes_validate.validate(job, kubernetes_validate.latest_version(), strict=True)
    limits = job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits["nvidia.com/gpu"] == gpus


def test_a_job_of_slurm_without_a_server_says_what_to_set(tmp_path: Path) -> None:
    script = DEPLOYMENTS / "slurm" / "worker.sbatch"
    (tmp_path / "lab.env").write_text("NEUROLAKE_HOME=/data\n")
    environment = {"PATH": "/usr/bin:/bin", "SLURM_SUBMIT_DIR": str(tmp_path), "LAB_ENV": str(tmp_path / "lab.env")}
    done = subprocess.run(["bash", str(script)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "PREFECT_API_URL: set it in" in done.stderr
    asked = [line for line in script.read_text().splitlines() if line.startswith("#SBATCH")]
    assert asked
    assert all(re.fullmatch(r"#SBATCH --[a-z-]+=\S+", line) for line in asked)


def targets() -> dict[str, list[tuple[str, str]]]:
    """Instructions of each stage of the Dockerfile: the word, and what follows it."""
    text = (DEPLOYMENTS / "docker" / "Dockerfile").read_text()
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#")).replace("\\\n", " ").splitlines()
    stages: dict[str, list[tuple[str, str]]] = {}
    for line in filter(None, lines):
        word, _, argument = line.partition(" ")
        assert word in {"ARG", "CMD", "COPY", "ENV", "FROM", "RUN", "USER", "VOLUME", "WORKDIR"}, line
        if word == "FROM":
            base, _, name = argument.partition(" AS ")
            assert base.startswith("python:") or base in stages, base
            stages[name] = []
        elif stages:
            list(stages.values())[-1].append((word, argument))
        if word == "RUN":
            shlex.split(argument)  # raises on quotes that don't close
    return stages
