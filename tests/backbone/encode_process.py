"""Encodes texts in a process of its own; see the fixture ``encode_in_process``."""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import resource
import signal
import sys
from pathlib import Path

from polyscene.backbone import Backbone, BackboneConfig, filling
from polyscene.data.access import DataAccess
from polyscene.errors import BackboneError

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("cache", type=Path)
parser.add_argument("start", type=int)
parser.add_argument("stop", type=int)
parser.add_argument("--kill-at", type=int, default=0, help="die by SIGKILL in the middle of this write")
parser.add_argument("--limit", type=int, default=0, help="most bytes of a file, as if the disk were full")
options = parser.parse_args()

filling.CHUNK = 50
if options.limit:
    filling.CHUNK = 4096
    resource.setrlimit(resource.RLIMIT_FSIZE, (options.limit, options.limit))
if options.kill_at:
    writes = itertools.count(1)

    def die(handle: int, sync=os.fsync) -> None:
        if next(writes) == options.kill_at:
            os.ftruncate(handle, 100)
            os.kill(os.getpid(), signal.SIGKILL)
        sync(handle)

    os.fsync = die

config = BackboneConfig(model=options.model, dtype="float32")
backbone = Backbone(config, DataAccess(cache=options.cache), progress=False)
try:
    vectors = backbone.embed([f"word {i}" for i in range(options.start, options.stop)])
except BackboneError as error:
    print(json.dumps({"error": str(error)}))
else:
    print(
        json.dumps(
            {
                "forwards": backbone.forwards,
                "shape": list(vectors.shape),
                "vectors": hashlib.sha256(vectors.numpy().tobytes()).hexdigest(),
                "transformers": "transformers" in sys.modules,
            }
        )
    )
