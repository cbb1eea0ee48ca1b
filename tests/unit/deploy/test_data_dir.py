"""The component that keeps batches over restarts: a volume of the pod's own, on a root that stays read-only."""

from __future__ import annotations

from heapfast.config.build import build_options
from tests.unit.deploy.rendering import render_with_components


def test_the_flag_is_real_and_names_the_volume() -> None:
    objects = render_with_components("data-dir")
    options = build_options(objects.container["args"], {})
    assert options.notes == ()
    assert {"name": "data-dir", "mountPath": options.data_dir} in objects.container["volumeMounts"]
    assert {"name": "data-dir", "emptyDir": {}} in objects.pod["spec"]["volumes"]
    assert objects.container["readinessProbe"]["initialDelaySeconds"] == 1


def test_the_root_stays_read_only_and_the_certificates_folder_where_it_is() -> None:
    objects = render_with_components("summary", "heapster", "data-dir")
    assert objects.container["securityContext"]["readOnlyRootFilesystem"] is True
    assert {"name": "tmp-dir", "mountPath": "/tmp"} in objects.container["volumeMounts"]
    assert "--heapster-port=8082" in objects.container["args"]
