"""``python -m gateway``: run the gateway."""

from gateway.service import Gateway
from gateway.settings import GatewaySettings
from services.runtime.server import run

if __name__ == "__main__":
    settings = GatewaySettings.load()
    run(Gateway(settings), settings)
