# The study site, without torch: docker build -t foolrate-site .
# Stage 1 installs the packages; stage 2 holds them and the code, and nothing that builds.
FROM python:3.13-slim-bookworm AS packages
WORKDIR /build
COPY constraints.txt ./
COPY requirements/base.txt requirements/site.txt requirements/
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --no-compile --disable-pip-version-check \
    -c constraints.txt -r requirements/base.txt -r requirements/site.txt \
 && /venv/bin/pip uninstall --yes --no-input pip

FROM python:3.13-slim-bookworm
RUN apt-get update \
 && apt-get install --yes --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin foolrate
COPY --from=packages /venv /venv
WORKDIR /app
COPY manage.py ./
COPY requirements requirements
COPY generators generators
COPY metrics metrics
COPY analysis analysis
COPY study_server study_server
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["tini", "--", "python", "manage.py"]
CMD ["study", "serve", "--bind", "0.0.0.0:8000", "--https", "--proxies", "1"]
