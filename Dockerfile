# The versions of envs/run.lock.txt, on the Python that they are tested with: docker build --tag fmri-firstlevel .
# docker run --rm --user $(id -u):$(id -g) --volume /data/faces:/study fmri-firstlevel --cores 2 --configfile mine.yaml
FROM python:3.11-slim
# Snakemake does not start without git
RUN apt-get update && apt-get install --yes --no-install-recommends git && rm -rf /var/lib/apt/lists/*
COPY envs/run.lock.txt /opt/fmri-firstlevel/envs/run.lock.txt
RUN python -m pip install --no-cache-dir --require-hashes --requirement /opt/fmri-firstlevel/envs/run.lock.txt
COPY LICENSE CITATION.cff pyproject.toml Snakefile /opt/fmri-firstlevel/
COPY config /opt/fmri-firstlevel/config
COPY resources /opt/fmri-firstlevel/resources
COPY envs /opt/fmri-firstlevel/envs
COPY workflow /opt/fmri-firstlevel/workflow
ENV HOME=/tmp
WORKDIR /study
ENTRYPOINT ["snakemake", "--snakefile", "/opt/fmri-firstlevel/workflow/Snakefile"]
CMD ["--help"]
