"""The restricted profile of Kubernetes' Pod Security Standards, with all that it takes over from the baseline.

https://kubernetes.io/docs/concepts/security/pod-security-standards/ is where each rule and each list comes from. An
admission controller would say the same; there is none without a control plane.
"""

from collections.abc import Iterator

from tests.deploy.manifests import Manifests, Pod, Resource, at

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}
SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t"}
SELINUX_TYPES |= {"container_engine_t"}


def _containers(manifests: Manifests) -> Iterator[tuple[str, Pod, Resource]]:
    for pod in manifests.pods():
        for container in pod.containers:
            yield f"{pod.owner}, {container['name']}", pod, container


def _settled(pod: Pod, container: Resource, key: str) -> object:
    """What a container's security context says of a key, or else its pod's."""
    said = at(container, f"securityContext.{key}")
    return at(pod.spec, f"securityContext.{key}") if said is None else said


def shares_nothing_with_its_host(manifests: Manifests) -> list[str]:
    """No namespace of the host, none of its folders, none of its ports, and no process of Windows' host."""
    found = []
    for pod in manifests.pods():
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.spec.get(key):
                found.append(f"{pod.owner}: {key}")
        for volume in pod.spec.get("volumes", []):
            kinds = set(volume) - {"name"}
            if strange := sorted(kinds - VOLUMES):
                found.append(f"{pod.owner}: volume {volume['name']} is {strange}")
    for where, pod, container in _containers(manifests):
        for port in container.get("ports", []):
            if port.get("hostPort"):
                found.append(f"{where}: hostPort {port['hostPort']}")
        if _settled(pod, container, "windowsOptions.hostProcess"):
            found.append(f"{where}: hostProcess")
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            for way in ("httpGet", "tcpSocket"):
                if at(container, f"{probe}.{way}.host"):
                    found.append(f"{where}: {probe} names a host")
    return found


def gains_no_privilege(manifests: Manifests) -> list[str]:
    """No privileged container, none that may become more than it is, none with capabilities or an unmasked /proc."""
    found = []
    for where, _, container in _containers(manifests):
        context = container.get("securityContext") or {}
        if context.get("privileged"):
            found.append(f"{where}: privileged")
        if context.get("allowPrivilegeEscalation") is not False:
            found.append(f"{where}: allowPrivilegeEscalation is not false")
        if "ALL" not in at(context, "capabilities.drop", []):
            found.append(f"{where}: does not drop ALL capabilities")
        if more := set(at(context, "capabilities.add", [])) - {"NET_BIND_SERVICE"}:
            found.append(f"{where}: adds capabilities {sorted(more)}")
        if context.get("procMount", "Default") != "Default":
            found.append(f"{where}: procMount {context['procMount']}")
    return found


def does_not_run_as_root(manifests: Manifests) -> list[str]:
    """Every container is kept from being root, and none is told to be."""
    found = []
    for where, pod, container in _containers(manifests):
        if _settled(pod, container, "runAsNonRoot") is not True:
            found.append(f"{where}: runAsNonRoot is not true")
        if _settled(pod, container, "runAsUser") == 0:
            found.append(f"{where}: runs as user 0")
    return found


def keeps_the_kernels_guards(manifests: Manifests) -> list[str]:
    """Seccomp is on by name; AppArmor, SELinux and sysctls are left as they are."""
    found = []
    for where, pod, container in _containers(manifests):
        seccomp = _settled(pod, container, "seccompProfile.type")
        if seccomp not in ("RuntimeDefault", "Localhost"):
            found.append(f"{where}: seccompProfile is {seccomp}")
        if _settled(pod, container, "appArmorProfile.type") == "Unconfined":
            found.append(f"{where}: AppArmor is off")
        if _settled(pod, container, "seLinuxOptions.type") not in {
            None,
            *SELINUX_TYPES,
        }:
            found.append(f"{where}: SELinux type of its own")
        for key in ("user", "role"):
            if _settled(pod, container, f"seLinuxOptions.{key}"):
                found.append(f"{where}: SELinux {key} of its own")
    for pod in manifests.pods():
        for each in at(pod.spec, "securityContext.sysctls", []):
            if each["name"] not in SYSCTLS:
                found.append(f"{pod.owner}: sysctl {each['name']}")
    return found


RULES = (
    shares_nothing_with_its_host,
    gains_no_privilege,
    does_not_run_as_root,
    keeps_the_kernels_guards,
)
