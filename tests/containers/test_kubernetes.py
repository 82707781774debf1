"""The manifests in kubernetes/ are what Kubernetes' schemas allow, and agree with the product and with each other."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.containers import compose
from tests.containers.dockerfile import ROOT
from tests.containers.test_files import is_setting, read_command

#: What every site applies, and what one does that hears a RIS.
FILES = sorted((ROOT / "kubernetes").glob("*.yaml")) + sorted((ROOT / "kubernetes" / "hl7").glob("*.yaml"))
DOCUMENTS = [(path.name, one) for path in FILES for one in yaml.safe_load_all(path.read_text())]
PODS = {
    one["metadata"]["labels"]["app.kubernetes.io/component"]: one
    for _, one in DOCUMENTS
    if one["kind"] in ("Deployment", "Job")
}
#: The oldest that its project maintains for others, and one of these days.
VERSIONS = ("1.29.0", "1.34.0")


def container(part: str) -> dict[str, Any]:
    """Return a part's one container."""
    (found,) = PODS[part]["spec"]["template"]["spec"]["containers"]
    return dict(found)


def of_kind(kind: str) -> list[dict[str, Any]]:
    """Return all manifests of a kind."""
    return [one for _, one in DOCUMENTS if one["kind"] == kind]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "manifest"), DOCUMENTS, ids=[f"{one['kind']}-{one['metadata']['name']}" for _, one in DOCUMENTS]
)
def test_each_manifest_is_what_the_schema_allows_and_has_no_field_that_it_does_not_know(
    name: str, manifest: dict[str, Any], version: str
) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def test_a_field_that_is_misspelt_is_found() -> None:
    broken = yaml.safe_load((ROOT / "kubernetes" / "infer.yaml").read_text())
    broken["spec"]["template"]["spec"]["container"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[0], strict=True)


def test_every_part_of_the_compose_file_has_its_pod_with_the_same_command_and_image() -> None:
    services = {name: one for name, one in compose.services().items() if one.is_ours}
    parts = {name for name in services if name not in ("infer-gpu", "page")}
    assert {*PODS} == parts
    for part in parts:
        assert container(part)["args"] == services[part].command
        assert container(part)["image"] == services[part].table["image"]
        read_command(container(part)["args"])


@pytest.mark.parametrize("part", PODS)
def test_no_pod_can_do_more_than_it_must_and_each_has_limits(part: str) -> None:
    spec = PODS[part]["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert (spec["securityContext"]["runAsUser"], spec["securityContext"]["runAsNonRoot"]) == (10001, True)
    security = container(part)["securityContext"]
    assert security == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container(part)["resources"]["limits"]["memory"]
    volumes = {volume["name"] for volume in spec["volumes"]}
    assert volumes == {mount["name"] for mount in container(part)["volumeMounts"]}
    if part != "migrate":
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            command = container(part)[probe]["exec"]["command"]
            assert command == ["auscult", "alive", part]
            read_command(command[1:])


def test_every_variable_is_a_setting_and_every_file_that_one_names_is_mounted() -> None:
    (shared,) = (one for one in of_kind("ConfigMap") if one["metadata"]["name"] == "auscult-environment")
    for part in PODS:
        own = {item["name"]: item["value"] for item in container(part).get("env", [])}
        mounts = [mount["mountPath"] for mount in container(part)["volumeMounts"]]
        for name, value in {**shared["data"], **own}.items():
            assert name in {"AUSCULT_CONFIG", "TZ"} or is_setting(name), name
            if value.startswith("/"):
                assert any(Path(value).is_relative_to(mount) for mount in mounts), f"{part}: {name}"


def test_what_selects_pods_selects_some_and_ports_lead_somewhere() -> None:
    labels = {part: one["spec"]["template"]["metadata"]["labels"] for part, one in PODS.items()}
    for service in of_kind("Service"):
        (part,) = (name for name, its in labels.items() if service["spec"]["selector"].items() <= its.items())
        named = {port["name"]: port["containerPort"] for port in container(part)["ports"]}
        assert [named[port["targetPort"]] for port in service["spec"]["ports"]]
    for kind, selector in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        for one in of_kind(kind):
            wanted = one["spec"][selector]["matchLabels"]
            assert any(wanted.items() <= its.items() for its in labels.values()), one["metadata"]["name"]
    for one in of_kind("PodDisruptionBudget"):
        part = one["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"]
        # A budget that no pod can be spared from would stop every drain.
        assert PODS[part]["spec"]["replicas"] > one["spec"]["minAvailable"]


def test_what_hears_hl7_is_applied_by_a_site_s_own_word_alone() -> None:
    optional = {name for name, one in compose.services().items() if one.is_ours and one.table.get("profiles")}
    assert "hl7" in optional
    by_default = [one for path in (ROOT / "kubernetes").glob("*.yaml") for one in yaml.safe_load_all(path.read_text())]
    assert not any("hl7" in one["metadata"]["name"] for one in by_default)
    (policy,) = (one for one in of_kind("NetworkPolicy") if one["metadata"]["name"] == "auscult-hl7")
    (allowed,) = policy["spec"]["ingress"]
    assert [port["port"] for port in allowed["ports"]] == [container("hl7")["ports"][0]["containerPort"]]
    own = {item["name"]: item["value"] for item in container("hl7")["env"]}
    assert own["AUSCULT_HL7__PORT"] == str(allowed["ports"][0]["port"])


def test_scaling_asks_for_a_metric_that_there_is() -> None:
    scaled = yaml.safe_load((ROOT / "kubernetes" / "keda" / "scaling.yaml").read_text())
    assert scaled["spec"]["scaleTargetRef"]["name"] == PODS["infer"]["metadata"]["name"]
    (trigger,) = scaled["spec"]["triggers"]
    # All that KEDA's definition (CRD, v1alpha1) says of a trigger's settings: they are strings.
    assert {*map(type, trigger["metadata"].values())} == {str}
    metric = trigger["metadata"]["query"].removeprefix("max(").removesuffix(")")
    assert f"`{metric}`" in (ROOT / "docs" / "reference" / "http.md").read_text()
