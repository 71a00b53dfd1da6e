# Fetches one released model and keeps it only if every file has the digest that was recorded at its release.
# MODEL_SHA256 is in sha256sum's format, its paths relative to the run's model/ folder.
set -eu
: "${MODEL_REPOSITORY:?}" "${MODEL_REF:?}" "${MODEL_SHA256:?}" "${MODEL_DIR:?}"
export GIT_TERMINAL_PROMPT=0 GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
export HOME=/tmp
if [ -n "${GIT_PASSWORD:-}" ]; then
  # credentials go to the host that was named, never to one it redirects to
  export GIT_CONFIG_COUNT=2
  export GIT_CONFIG_KEY_0=http.followRedirects GIT_CONFIG_VALUE_0=false
  export GIT_CONFIG_KEY_1=credential.helper
  export GIT_CONFIG_VALUE_1='!f() { printf "username=%s\npassword=%s\n" "${GIT_USERNAME:-git}" "$GIT_PASSWORD"; }; f'
fi

clear() { find "$MODEL_DIR" -mindepth 1 -delete; }
clear
trap '[ "$?" -eq 0 ] || clear' EXIT

work="$MODEL_DIR/.incoming"
mkdir -p "$work/model"
git init --quiet --bare "$work/git"
git --git-dir="$work/git" fetch --quiet --depth=1 --no-tags -- "$MODEL_REPOSITORY" "$MODEL_REF"
printf %s "$MODEL_SHA256" > "$work/SHA256SUMS"
while read -r digest path; do
  case "$path" in */*) mkdir -p "$work/model/${path%/*}" ;; esac
  git --git-dir="$work/git" cat-file blob "FETCH_HEAD:model/$path" > "$work/model/$path"
done < "$work/SHA256SUMS"
(cd "$work/model" && sha256sum -c ../SHA256SUMS)
mv "$work"/model/* "$MODEL_DIR"/
rm -rf "$work"
