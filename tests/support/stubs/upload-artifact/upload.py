"""Copies files to an artifact, as actions/upload-artifact lays them out: below the least folder that has them all."""

import glob
import json
import os
import shutil
import sys
from pathlib import Path

inputs = json.loads(os.environ["INPUTS"])
target = Path(os.environ["ARTIFACTS"]) / inputs["name"]
if target.exists() and inputs["overwrite"] != "true":
    sys.exit(f"::error::there is an artifact {inputs['name']} already")
shutil.rmtree(target, ignore_errors=True)
named = [Path(found).resolve() for line in inputs["path"].split("\n") if line for found in glob.glob(line)]  # noqa: PTH207 - an absolute one, too
files = [file for path in named for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
if not files:
    sys.exit(f"::error::no files found: {inputs['path']}" if inputs["if-no-files-found"] == "error" else 0)
least = named[0] if len(named) == 1 and named[0].is_dir() else Path(os.path.commonpath([file.parent for file in files]))
for file in files:
    place = target / file.relative_to(least)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, place)
with Path(os.environ["GITHUB_OUTPUT"]).open("a") as stream:
    stream.write("artifact-id=1\n")
