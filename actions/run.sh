#!/usr/bin/env bash
# Runs a verb as a step of a job: run.sh VERB, from an Action beside it. Its inputs are JSON in MLOPS_CI_INPUTS.
#
# The toolkit is installed once a job, at the ref that the Action is used at. MLOPS_CI_BIN, which only whoever writes the
# workflow or owns the runner can set, names a ready `mlops-ci` to run instead, where a job has no network.
set -euo pipefail

fail() { # exit code, title, message
  printf '::error title=%s::%s\n' "$2" "$3"
  if [[ -n "${GITHUB_OUTPUT:-}" ]]; then
    printf 'exit-code=%s\n' "$1" >>"$GITHUB_OUTPUT"
  fi
  exit "$1"
}

verb="$1"
root="$(cd "$GITHUB_ACTION_PATH/../.." && pwd -P)"

# the checkout is a change that nobody may have reviewed: what Python would run or import from it at its start is not obeyed
unset PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONINSPECT PYTHONUSERBASE PYTHONPLATLIBDIR PYTHONWARNINGS PYTHONBREAKPOINT

if [[ -n "${MLOPS_CI_BIN:-}" ]]; then
  case "$MLOPS_CI_BIN" in
  /*) ;;
  *) fail 2 toolkit-path "MLOPS_CI_BIN is not an absolute path, so it could be a file of the checkout." ;;
  esac
  exec "$MLOPS_CI_BIN" action "$verb"
fi

# asked from outside the checkout, where version managers look for the Python that it wants
python="$(
  cd "${RUNNER_TEMP:?is set by the runner}"
  for name in python3 python; do
    "$name" -I -c 'import sys; sys.version_info >= (3, 11) and print(sys.executable)' 2>/dev/null || true
  done | head -n 1
)"
if [[ -z "$python" ]]; then
  fail 3 python-missing "There is no Python 3.11 or newer on PATH. Use actions/setup-python before this step."
fi
exec "$python" -I -B "$root/actions/install.py" "$verb"
