# Everything a newcomer or CI needs: `make demo`, `make test`, `make check`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
APT_PACKAGES := redis-server chromium python3-gi gir1.2-gst-rtsp-server-1.0 \
	gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad \
	gstreamer1.0-plugins-ugly openssl mosquitto

# torchvision's compiled operators need the torch build of the same index: ignore local wheels.
export PIP_FIND_LINKS :=

.PHONY: demo test test-all check lint types services setup clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	touch $@

demo: setup  ## render a clip, find its interactions, ask, show the dashboard's address
	$(BIN)/stream demo

# The tests start real servers. As root (CI, containers) what is missing is installed;
# elsewhere a test that lacks its server is skipped and says how to get it.
services:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	    && ! { command -v redis-server && command -v chromium && command -v openssl \
	    && command -v mosquitto_passwd \
	    && /usr/bin/python3 -c 'import gi; gi.require_version("GstRtspServer", "1.0")'; } \
	    >/dev/null 2>&1; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	    apt-get install -y -qq --no-install-recommends $(APT_PACKAGES) >/dev/null; fi

test: setup services
	$(BIN)/python -m pytest -q

test-all: setup services
	$(BIN)/python -m pytest -q -m "not gpu"

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy

check: lint types test

clean:
	rm -rf $(VENV) demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
