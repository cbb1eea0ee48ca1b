"""The image, as far as its recipe tells: what is copied exists, and what runs is nobody in particular."""

import re

from tests.shared import REPOSITORY
from tests.unit.deploy.rendering import render_overlay

RECIPE = (REPOSITORY / "Dockerfile").read_text().replace("\\\n", " ")
STAGES = re.split(r"^FROM ", RECIPE, flags=re.MULTILINE)[1:]


def words_of(instruction: str, text: str) -> list[str]:
    """All words after an instruction, wherever it stands."""
    return [word for line in re.findall(rf"^{instruction} (.*)$", text, re.MULTILINE) for word in line.split()]


def test_compilers_stay_behind() -> None:
    build, run = STAGES
    assert "gcc" in build
    assert "gcc" not in run
    assert words_of("COPY", run) == ["--from=build", "/opt/heapfast", "/opt/heapfast"]


def test_everything_that_is_copied_is_there_and_not_ignored() -> None:
    copied = [word for word in words_of("COPY", STAGES[0]) if word != "./"]
    assert {"pyproject.toml", "setup.py", "heapfast"} <= set(copied)
    allowed = {line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied) == allowed
    assert all((REPOSITORY / name).exists() for name in copied)


def test_it_runs_as_the_user_of_the_manifests() -> None:
    security = render_overlay("release").container["securityContext"]
    assert words_of("USER", STAGES[1]) == [f"{security['runAsUser']}:1000"]


def test_it_answers_to_both_daemons_names() -> None:
    assert 'ENTRYPOINT ["/heapfast"]' in STAGES[1]
    assert re.findall(r"ln -s (\S+) (\S+)", STAGES[1]) == [
        ("/opt/heapfast/bin/heapfast", "/heapfast"),
        ("heapfast", "/heapster"),
        ("heapfast", "/metrics-server"),
    ]


def test_the_ports_of_the_manifests_are_stated() -> None:
    ports = [str(port["containerPort"]) for port in render_overlay("heapster-replacement").container["ports"]]
    assert words_of("EXPOSE", STAGES[1]) == sorted(ports, reverse=True)
