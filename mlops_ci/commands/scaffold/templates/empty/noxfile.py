"""Every verb as a nox session: nox -s gate, nox -s deploy -- MODEL --env staging, ..."""

import nox

import mlops_ci.nox

mlops_ci.nox.register(nox)
