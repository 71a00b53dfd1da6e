"""Copies artifacts to a folder: one by its name into the folder itself, several each into its own or all into one."""

import fnmatch
import json
import os
import shutil
import sys
from pathlib import Path

inputs = json.loads(os.environ["INPUTS"])
shared, path = Path(os.environ["ARTIFACTS"]), Path(inputs["path"])
if inputs["name"]:
    if not (shared / inputs["name"]).is_dir():
        sys.exit(f"::error::Unable to download artifact(s): Artifact not found for name: {inputs['name']}")
    shutil.copytree(shared / inputs["name"], path, dirs_exist_ok=True)
else:
    path.mkdir(parents=True, exist_ok=True)
    for folder in sorted(shared.iterdir()):
        if fnmatch.fnmatchcase(folder.name, inputs["pattern"] or "*"):
            place = path if inputs["merge-multiple"] == "true" else path / folder.name
            shutil.copytree(folder, place, dirs_exist_ok=True)
