"""What every process stands on: settings, logs, telemetry, errors, gRPC server and channels."""
