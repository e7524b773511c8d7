# The environment of envs/main.lock with the workflow in it, for CPUs and, with the NVIDIA container toolkit, for GPUs:
#
#   docker build --tag dragoman .
#   docker run --rm --gpus all --volume "$PWD:/work" dragoman --cores all --configfile my.yaml
#
# Results are written below the folder that is mounted at /work.

FROM python:3.11-slim-bookworm

# make: the environment of COMET and BLEURT is made by it, on first need; g++: torch compiles FlexAttention with it
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++=4:12.2.* make=4.3-* \
    && rm -rf /var/lib/apt/lists/*

# Packages first: they are most of the image, and change least.
WORKDIR /opt/dragoman
COPY envs/main.txt envs/main.lock envs/
RUN python -m pip install --no-cache-dir --requirement envs/main.txt --constraint envs/main.lock

COPY . .
WORKDIR /work
ENTRYPOINT ["snakemake", "--snakefile", "/opt/dragoman/Snakefile"]
CMD ["--cores", "all"]
