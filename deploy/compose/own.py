"""What compose reads of ``.env`` before any container does."""

from deploy.compose.settings import Setting

_ACCESS = "/etc/antiphon/access"

ITSELF = (
    Setting(
        "COMPOSE_FILE",
        "docker-compose.yml",
        "files that make the pipeline, with : between them (; on Windows), such as "
        "docker-compose.yml:deploy/compose/observability.yaml",
    ),
    Setting("ANTIPHON_VERSION", "0.1.0", "tag of the images"),
    Setting(
        "ANTIPHON_BIND",
        "127.0.0.1",
        "address of this machine that the gateway's ports are published on; whoever sets it sets ANTIPHON_GATEWAY_KEYS too",
    ),
    Setting(
        "ANTIPHON_GATEWAY_HTTP_PORT",
        "8080",
        "port of this machine for the page, Realtime and the rest of HTTP",
    ),
    Setting("ANTIPHON_GATEWAY_PORT", "50050", "port of this machine for gRPC"),
    Setting(
        "ANTIPHON_STOP_GRACE",
        "330s",
        "time from a stop to the end by force; longer than the longest …_DRAIN_SECONDS",
    ),
)

FILES = (
    Setting(
        "ANTIPHON_CONFIG",
        "./deploy/compose/config/antiphon.yaml",
        "settings as YAML, with a section for each process; upstreams of the language model are set best there; "
        "unset, scale.yaml and gpu.yaml have files of their own",
    ),
    Setting(
        "ANTIPHON_BUDGETS",
        "./services/runtime/telemetry/budgets.toml",
        "how long a turn may take",
    ),
    Setting(
        "ANTIPHON_ACCESS",
        "./deploy/compose/access",
        f"folder with the gateway's keys and certificate; {_ACCESS} in its container",
    ),
    Setting(
        "ANTIPHON_GATEWAY_KEYS",
        "none",
        f"file of the API keys, as the container sees it: {_ACCESS}/keys.yaml; none: whoever reaches the gateway may use it",
    ),
    Setting(
        "ANTIPHON_ACCESS_GROUP",
        "10001",
        "number of a group that may read that folder's files, besides user 10001",
    ),
)

ROOM = tuple(
    setting
    for name, memory in (
        ("GATEWAY", "1g"),
        ("STT", "1g"),
        ("LLM", "512m"),
        ("LLM_LOCAL", "1g"),
        ("TTS", "1g"),
    )
    for setting in (
        Setting(f"ANTIPHON_{name}_MEMORY", memory),
        Setting(f"ANTIPHON_{name}_CPUS", "0"),
    )
)

REPLICAS = (
    Setting("ANTIPHON_STT_REPLICAS", "2"),
    Setting("ANTIPHON_LLM_REPLICAS", "2"),
    Setting("ANTIPHON_TTS_REPLICAS", "2"),
    Setting(
        "ANTIPHON_LLM_LOCAL_REPLICAS",
        "1",
        "without scale.yaml too; 0: no small model, where all upstreams are elsewhere",
    ),
)

DEVICES = (
    Setting("ANTIPHON_STT_GPU", "0", "number or id of the GPU that Parakeet runs on"),
    Setting(
        "ANTIPHON_TTS_GPU", "0", "of that for Qwen3-TTS; the same one carries both"
    ),
)

HUB_TOKEN = (
    Setting(
        "ANTIPHON_HUB_TOKEN",
        "",
        "token for models of the Hugging Face Hub that not everybody may fetch, for stt, tts and llm-local",
    ),
)

WATCHING = (
    Setting("GRAFANA_ADMIN_PASSWORD", "antiphon", "of Grafana's administrator"),
    Setting("TRACES_KEPT", "100", "per cent of ordinary turns whose traces are kept"),
)

BEFORE = (
    ("Compose itself", ITSELF),
    ("Files of this machine that are mounted", FILES),
    (
        "Memory and processors that a container may take at most; 0 processors: as many as there are",
        ROOM,
    ),
    ("Replicas: scale.yaml", REPLICAS),
    ("Devices: gpu.yaml", DEVICES),
    ("Watching: observability.yaml", WATCHING),
)
"""Sections of the file, before those of the processes."""
