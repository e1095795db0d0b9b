"""The manifests for Kubernetes are valid, and run the images as compose does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import kubernetes_validate
import pytest
import yaml

from gateway.config import settings
from gateway.config.variables import FILE_SUFFIX
from gateway.http import families
from gateway.links import Key
from gateway.links.server_secret import ServerSecret
from tests.live.shown import blocks
from tests.unit.manifests import FOLDER, Manifest, built, containers, objects, pods

if TYPE_CHECKING:
    from gateway.config.settings import Reading

ROOT: Final = Path(__file__).resolve().parents[2]
OVERLAYS: Final = ("one-machine", "replicas")
#: The first release in which sidecars are stable, and the newest that is known.
VERSIONS: Final = ("1.33", kubernetes_validate.latest_version())
#: The only files that an operator makes: the keys of the Secret.
SECRETS: Final = {
    "bucket": "secret",
    "database": "postgresql+psycopg://gateway:secret@db.example.com/gateway",
    "keys": str(Key.generate()),
    "secret": str(ServerSecret.generate()),
}
EACH_OVERLAY = pytest.mark.parametrize("overlay", OVERLAYS, ids=str)


def gateway_pod(overlay: str) -> Manifest:
    spec: Manifest = objects(overlay, "StatefulSet")["gateway"]["spec"]
    pod: Manifest = spec["template"]["spec"]
    return pod


def names(overlay: str) -> list[str]:
    """Return the names of the gateways' pods."""
    spec = objects(overlay, "StatefulSet")["gateway"]["spec"]
    return [f"gateway-{number}" for number in range(spec["replicas"])]


def environment(overlay: str) -> dict[str, str]:
    """Return the variables of the image and of the ConfigMap."""
    dockerfile = (ROOT / "deploy" / "gateway.Dockerfile").read_text()
    image = dict(re.findall(r"\b(GATEWAY_\w+)=(\S+)", dockerfile))
    assert "GATEWAY_DATA" in image
    return {**image, **objects(overlay, "ConfigMap")["gateway"]["data"]}


def reading(overlay: str, name: str, secrets: Path) -> Reading:
    """Return the settings of the gateway *name*, with its secrets in a folder."""
    for key, text in SECRETS.items():
        (secrets / key).write_text(text)
    variables = {
        variable: text.replace("/run/secrets/gateway", str(secrets))
        for variable, text in environment(overlay).items()
    }
    for added in containers(gateway_pod(overlay))["gateway"].get("env", ()):
        assert added["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
        variables[added["name"]] = name
    return settings.read(variables, required=("files",), check_disk=False)


@EACH_OVERLAY
@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_every_object_follows_its_schema(overlay: str, version: str) -> None:
    for manifest in built(FOLDER / overlay):
        kubernetes_validate.validate(manifest, version, strict=True)


@EACH_OVERLAY
def test_every_variable_is_a_setting(overlay: str) -> None:
    added = containers(gateway_pod(overlay))["gateway"].get("env", [])
    given = {*environment(overlay), *(variable["name"] for variable in added)}
    known = set(settings.describe())
    assert {name.removesuffix(FILE_SUFFIX) for name in given} - known == set()


@EACH_OVERLAY
def test_the_gateway_accepts_its_settings(overlay: str, tmp_path: Path) -> None:
    for name in names(overlay):
        assert reading(overlay, name, tmp_path).warnings == ()


def test_each_replica_has_the_stable_name_of_its_pod(tmp_path: Path) -> None:
    found = [
        reading("replicas", name, tmp_path).settings.replica
        for name in names("replicas")
    ]
    assert found == ["gateway-0", "gateway-1"]


def test_secrets_come_from_the_keys_of_one_secret() -> None:
    (volume,) = (v for v in gateway_pod("replicas")["volumes"] if "secret" in v)
    mounted = containers(gateway_pod("replicas"))["gateway"]["volumeMounts"]
    (folder,) = (m["mountPath"] for m in mounted if m["name"] == volume["name"])
    files = {v for n, v in environment("replicas").items() if n.endswith(FILE_SUFFIX)}
    assert files == {f"{folder}/{key}" for key in SECRETS}
    (command,) = (
        block
        for block in blocks("docs/kubernetes.md", "sh")
        if "secret generic" in block
    )
    assert f"create secret generic {volume['secret']['secretName']} " in command
    assert set(re.findall(r"--from-file=(\w+)", command)) == set(SECRETS)


def test_the_replicas_together_have_the_default_limits_of_a_client() -> None:
    count = len(names("replicas"))
    for field in ("client_requests", "client_connections"):
        each = int(environment("replicas")[f"GATEWAY_{field.upper()}"])
        assert each * count == settings.Settings.model_fields[field].default


def compose(service: str) -> Manifest:
    """Return a service of docker-compose.yml."""
    # YAML does not know compose's own tag.
    text = (ROOT / "docker-compose.yml").read_text().replace("!reset", "")
    found: Manifest = yaml.safe_load(text)["services"][service]
    return found


def compose_mounts(service: str) -> dict[str, bool]:
    """Return the folders that compose mounts, and whether they are read-only."""
    volumes = [*compose(service)["volumes"], *compose(service)["tmpfs"]]
    targets = [re.search(r":?(/[\w/-]+)(:ro|:uid=.*)?$", v) for v in volumes]
    return {found[1]: found[2] == ":ro" for found in targets if found}


def mounts(overlay: str, name: str) -> dict[str, bool]:
    """Return the folders of a gateway's container, and whether they are read-only."""
    found = containers(gateway_pod(overlay))[name]["volumeMounts"]
    return {mount["mountPath"]: mount.get("readOnly", False) for mount in found}


@pytest.mark.parametrize("name", ["gateway", "nginx"], ids=str)
def test_the_gateway_s_containers_have_the_mounts_of_compose(name: str) -> None:
    assert len(compose_mounts(name)) >= 4
    assert mounts("one-machine", name) == compose_mounts(name)


@pytest.mark.parametrize(
    ("name", "others"),
    [
        pytest.param("gateway", {"/run/secrets/gateway": True}, id="gateway"),
        pytest.param("nginx", {}, id="nginx"),
    ],
)
def test_replicas_have_secrets_and_no_folder_of_files(
    name: str, others: dict[str, bool]
) -> None:
    files = {"/srv/files": True}
    assert {**mounts("replicas", name), **files} == {**compose_mounts(name), **others}
    assert "/srv/files" not in mounts("replicas", name)


@EACH_OVERLAY
def test_both_containers_share_the_run_folder_and_the_store(overlay: str) -> None:
    gateway, nginx = (
        {
            (m["name"], m.get("subPath")): m["mountPath"]
            for m in container["volumeMounts"]
        }
        for name, container in containers(gateway_pod(overlay)).items()
        if name != "folders"
    )
    shared = {*gateway} & {*nginx} - {("files", None)}
    assert shared == {("run", "gateway"), ("store", "gateway")}
    assert [gateway[volume] for volume in shared] == [
        nginx[volume] for volume in shared
    ]


@EACH_OVERLAY
def test_private_folders_are_made_before_they_are_mounted(overlay: str) -> None:
    pod = gateway_pod(overlay)
    first, *_ = pod["initContainers"]
    assert first["command"][:3] == ["install", "-d", "--mode=0700"]
    volumes = {m["mountPath"]: m["name"] for m in first["volumeMounts"]}
    made = [path.rpartition("/") for path in first["command"][3:]]
    mounted = {
        (m["name"], m["subPath"])
        for c in containers(pod).values()
        for m in c["volumeMounts"]
        if "subPath" in m
    }
    assert {(volumes[volume], folder) for volume, _, folder in made} == mounted
    assert {volume for volume, _ in mounted} == {"data", "run", "store"}


@EACH_OVERLAY
def test_sockets_and_verdicts_are_in_memory(overlay: str) -> None:
    volumes = {v["name"]: v for v in gateway_pod(overlay)["volumes"]}
    for name in ("run", "nginx", "tmp"):
        assert volumes[name]["emptyDir"]["medium"] == "Memory"
        assert volumes[name]["emptyDir"]["sizeLimit"]
    # The log of kept verdicts alone takes 32 MiB.
    assert int(volumes["nginx"]["emptyDir"]["sizeLimit"].removesuffix("Mi")) > 64


@EACH_OVERLAY
def test_no_pod_has_a_privilege(overlay: str) -> None:
    user = int(compose("gateway")["user"].partition(":")[0])
    for template in pods(overlay):
        pod = template["spec"]
        assert pod["automountServiceAccountToken"] is False
        # A Service named gateway would set variables that begin with GATEWAY_.
        assert pod["enableServiceLinks"] is False
        context = {**pod["securityContext"]}
        context.pop("fsGroupChangePolicy", None)
        assert context == {
            "runAsUser": user,
            "runAsGroup": user,
            "fsGroup": user,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert not {"hostNetwork", "hostPID", "hostIPC"} & {*pod}
        assert not any("hostPath" in volume for volume in pod["volumes"])


@EACH_OVERLAY
def test_no_container_has_a_privilege_or_unlimited_memory(overlay: str) -> None:
    every = [c for t in pods(overlay) for c in containers(t["spec"]).values()]
    assert len(every) >= 2
    for container in every:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert {*container["resources"]["requests"]} == {"cpu", "memory"}
        assert {*container["resources"]["limits"]} == {"memory"}


@EACH_OVERLAY
def test_images_are_those_that_compose_builds_with_a_tag(overlay: str) -> None:
    every = [c for t in pods(overlay) for c in containers(t["spec"]).values()]
    for container in every:
        name, _, tag = container["image"].rpartition(":")
        place = "registry.example.com/"
        service = "nginx" if container["name"] == "nginx" else "gateway"
        assert name.removeprefix(place) == compose(service)["image"]
        assert name.startswith(place)
        assert tag not in {"", "latest"}


@EACH_OVERLAY
def test_the_gateway_starts_before_nginx_and_stops_after_it(overlay: str) -> None:
    pod = gateway_pod(overlay)
    *_, sidecar = pod["initContainers"]
    (nginx,) = pod["containers"]
    assert (sidecar["name"], nginx["name"]) == ("gateway", "nginx")
    # Without the first it would have to end before nginx starts.
    assert sidecar["restartPolicy"] == "Always"
    assert "startupProbe" in sidecar


@pytest.mark.parametrize(
    ("overlay", "seconds"),
    [
        # There is no other gateway that could answer meanwhile.
        pytest.param("one-machine", 0, id="one machine"),
        pytest.param("replicas", 15, id="replicas"),
    ],
)
def test_running_downloads_have_the_gateway_s_grace(overlay: str, seconds: int) -> None:
    pod = gateway_pod(overlay)
    (nginx,) = pod["containers"]
    hook = nginx.get("lifecycle", {"preStop": {"exec": {"command": ["sleep", "0"]}}})
    assert hook["preStop"]["exec"]["command"] == ["sleep", str(seconds)]
    default = settings.Settings.model_fields["grace"].default
    grace = int(environment(overlay).get("GATEWAY_GRACE", default))
    assert pod["terminationGracePeriodSeconds"] >= seconds + 2 * grace + 10


def test_the_balancer_waits_for_running_downloads() -> None:
    (pod,) = (
        d["spec"]["template"]["spec"]
        for d in objects("replicas", "Deployment").values()
    )
    conf = (FOLDER / "replicas" / "balancer.conf").read_text()
    grace = re.search(r"^worker_shutdown_timeout (\d+)s;$", conf, re.MULTILINE)
    assert grace
    assert int(grace[1]) >= settings.Settings.model_fields["grace"].default
    command = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    needed = int(command[1]) + int(grace[1]) + 10
    assert pod["terminationGracePeriodSeconds"] >= needed


@EACH_OVERLAY
def test_probes_of_nginx_ask_for_health(overlay: str) -> None:
    nginx = containers(gateway_pod(overlay))["nginx"]
    asked = {
        name: nginx[name]["httpGet"] for name in ("startupProbe", "readinessProbe")
    }
    assert [asked[name]["path"] for name in asked] == [
        *families.READINESS.paths,
        *families.HEALTH.paths,
    ]
    assert {probe["port"] for probe in asked.values()} == {"http"}
    # Whatever happens to gunicorn or to a database, nginx is not restarted for it.
    assert nginx["livenessProbe"]["tcpSocket"] == {"port": "http"}


@EACH_OVERLAY
def test_probes_of_the_gateway_need_no_database(overlay: str, tmp_path: Path) -> None:
    gateway = containers(gateway_pod(overlay))["gateway"]
    current = reading(overlay, "gateway-0", tmp_path).settings
    (path,) = families.HEALTH.paths
    probe = ["python", "-m", "gateway.runtime.probe", str(current.health_socket), path]
    for name in ("startupProbe", "livenessProbe"):
        assert gateway[name]["exec"]["command"] == probe
    assert "readinessProbe" not in gateway
    start = gateway["startupProbe"]
    # A gateway waits for its database: a restart would not help, and delay it.
    assert start["periodSeconds"] * start["failureThreshold"] >= 24 * 3600


@EACH_OVERLAY
def test_nginx_s_port_is_that_of_the_images(overlay: str) -> None:
    dockerfile = (ROOT / "deploy" / "gateway.Dockerfile").read_text()
    listens = re.search(r'"--bind", ":(\d+)"', dockerfile)
    assert listens
    for template in pods(overlay):
        (port,) = containers(template["spec"])["nginx"]["ports"]
        assert port == {"name": "http", "containerPort": int(listens[1])}


@EACH_OVERLAY
def test_every_pod_reaches_only_what_a_policy_allows(overlay: str) -> None:
    policies = objects(overlay, "NetworkPolicy")
    for template in pods(overlay):
        name = template["metadata"]["labels"]["app.kubernetes.io/name"]
        spec = policies[name]["spec"]
        assert spec["podSelector"]["matchLabels"] == template["metadata"]["labels"]
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        assert [rule["ports"] for rule in spec["ingress"]] == [[{"port": "http"}]]


def test_a_gateway_alone_connects_to_nothing() -> None:
    spec = objects("one-machine", "NetworkPolicy")["gateway"]["spec"]
    assert "egress" not in spec


def test_only_the_balancer_connects_to_replicas() -> None:
    spec = objects("replicas", "NetworkPolicy")["gateway"]["spec"]
    balancer = objects("replicas", "NetworkPolicy")["balancer"]["spec"]
    ((source,),) = (rule["from"] for rule in spec["ingress"])
    assert source["podSelector"] == balancer["podSelector"]
    opened = {port["port"] for rule in spec["egress"] for port in rule["ports"]}
    assert opened == {53, 443, 5432}


@EACH_OVERLAY
def test_every_selector_and_every_reference_finds_something(overlay: str) -> None:
    labels = [template["metadata"]["labels"] for template in pods(overlay)]
    for service in objects(overlay, "Service").values():
        assert service["spec"]["selector"] in labels
        (port,) = service["spec"]["ports"]
        assert port.get("targetPort", port["port"]) in {"http", 8080}
    for budget in objects(overlay, "PodDisruptionBudget").values():
        assert budget["spec"]["selector"]["matchLabels"] in labels
    spec = objects(overlay, "StatefulSet")["gateway"]["spec"]
    assert (
        objects(overlay, "Service")[spec["serviceName"]]["spec"]["clusterIP"] == "None"
    )
    maps = {o["metadata"]["name"] for o in objects(overlay, "ConfigMap").values()}
    text = yaml.safe_dump_all(built(FOLDER / overlay))
    used = re.findall(r"configMap(?:Ref)?:\n +name: (\S+)", text)
    assert {*used} == maps
    claims = {*objects(overlay, "PersistentVolumeClaim")}
    assert {*re.findall(r"claimName: (\S+)", text)} == claims
    volumes = {v["name"] for v in gateway_pod(overlay)["volumes"]}
    volumes |= {claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]}
    every = containers(gateway_pod(overlay)).values()
    assert {m["name"] for c in every for m in c["volumeMounts"]} == volumes


def test_replicas_are_on_different_nodes() -> None:
    spec = objects("replicas", "StatefulSet")["gateway"]["spec"]
    (spread,) = spec["template"]["spec"]["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert spread["whenUnsatisfiable"] == "DoNotSchedule"
    assert spread["labelSelector"] == spec["selector"]
    for budget in objects("replicas", "PodDisruptionBudget").values():
        assert budget["spec"]["maxUnavailable"] == 1


def page_s_overlay() -> str:
    shown = blocks("docs/kubernetes.md", "yaml")
    (overlay,) = (block for block in shown if "kind: Kustomization" in block)
    return overlay


def built_beside(folder: Path, overlay: str) -> list[Manifest]:
    """Return the objects of an overlay in *folder*, beside a checkout."""
    # Kustomize accepts relative paths only.
    (folder / "checkout").symlink_to(ROOT)
    own = folder / "own"
    own.mkdir()
    (own / "kustomization.yaml").write_text(
        overlay.replace("accel-gateway/deploy", "../checkout/deploy")
    )
    return built(own)


def test_the_page_s_own_overlay_changes_what_it_says(tmp_path: Path) -> None:
    manifests = built_beside(tmp_path, page_s_overlay())
    for manifest in manifests:
        kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)
    images = re.findall(r"image: (\S+)/accel-gateway", yaml.safe_dump_all(manifests))
    assert images == ["registry.example.org"] * 4
    assert {m["metadata"].get("namespace") for m in manifests} == {"files"}
    (count,) = (m["spec"]["replicas"] for m in manifests if m["kind"] == "StatefulSet")
    (data,) = (
        m["data"]
        for m in manifests
        if m["kind"] == "ConfigMap" and "GATEWAY_FILES" in m["data"]
    )
    assert count == 3
    assert 190 < int(data["GATEWAY_CLIENT_REQUESTS"]) * count <= 201
    assert data["GATEWAY_PUBLIC_URL"] == "https://files.example.org"


def test_the_page_says_what_one_machine_leaves_out(tmp_path: Path) -> None:
    overlay = page_s_overlay().replace("kubernetes/replicas", "kubernetes/one-machine")
    overlay = re.sub(r"(?ms)^replicas:\n.*?(?=^\w)", "", overlay)
    overlay = re.sub(r"(?s)(GATEWAY_TRUSTED_PROXIES=\S+\n).*", r"\1", overlay)
    manifests = built_beside(tmp_path, overlay)
    (data,) = (m["data"] for m in manifests if m["kind"] == "ConfigMap")
    assert data["GATEWAY_PUBLIC_URL"] == "https://files.example.org"
    left_out = ("GATEWAY_BLOBS", "GATEWAY_BUCKET_REGION", "GATEWAY_CLIENT_REQUESTS")
    assert [name for name in left_out if name in data] == []


def test_the_page_names_the_claims_of_a_gateway() -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    spec = objects("replicas", "StatefulSet")["gateway"]["spec"]
    claims = [each["metadata"]["name"] for each in spec["volumeClaimTemplates"]]
    assert "delete pvc " + " ".join(f"{name}-gateway-0" for name in claims) in page


def test_the_page_s_ingress_follows_its_schema() -> None:
    (shown,) = (b for b in blocks("docs/kubernetes.md", "yaml") if "kind: Ingress" in b)
    ingress = yaml.safe_load(shown)
    kubernetes_validate.validate(ingress, VERSIONS[-1], strict=True)
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert path["backend"]["service"]["name"] in objects("replicas", "Service")
    assert path["backend"]["service"]["name"] in objects("one-machine", "Service")
