"""What users start with `docker compose up`: the images, built from their Dockerfiles, and the containers made of them."""
