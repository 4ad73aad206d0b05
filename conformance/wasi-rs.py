"""wasi-rs for the test runner of https://github.com/WebAssembly/wasi-testsuite:

    ./run-tests -r .../conformance/wasi-rs.py

The environment variable WASI_RS is the command line to run instead of the one in this folder's package, for instance
"npx wasi-rs"; flags may follow, such as "--engine v8".
"""

import os
import shlex
import subprocess
from pathlib import Path
from typing import Dict, List, Tuple, Union

MAIN = Path(__file__).resolve().parent.parent / "cli" / "main.js"
COMMAND = shlex.split(os.getenv("WASI_RS", ""), posix=os.name != "nt") or ["node", str(MAIN)]

# What a program may have that is of these proposals.
FLAGS = {
    "http": ["--fetch=*"],
    "sockets": ["--connect=*:*", "--connect=udp:*:*", "--listen=*:*", "--listen=udp:*:*"],
}


def get_name() -> str:
    return "wasi-rs"


def get_version() -> str:
    result = subprocess.run(COMMAND + ["--version"], encoding="UTF-8", capture_output=True, check=True)
    return result.stdout.split()[1]


def get_wasi_versions() -> List[str]:
    return ["wasm32-wasip1", "wasm32-wasip3"]


def get_wasi_worlds() -> List[str]:
    return ["wasi:cli/command", "wasi:http/service"]


def compute_argv(
    test_path: str,
    args_env_dirs: Tuple[List[str], Dict[str, str], Union[str, None, List[Tuple[Path, str]]]],
    proposals: List[str],
    wasi_world: str,
    wasi_version: str,
) -> List[str]:
    args, env, dirs = args_env_dirs
    if not isinstance(dirs, list):
        dirs = [(dirs, "/")] if dirs else []  # of the runner before directories had names
    flags = [f"--env={name}={value}" for name, value in env.items()]
    flags += [f"--dir={host}::{guest}" for host, guest in dirs]
    if Path(test_path).name.startswith("sockets-"):
        proposals = ["sockets"]  # some of these tests name no proposal
    flags += [flag for proposal in proposals for flag in FLAGS.get(proposal, [])]
    if wasi_world == "wasi:http/service":
        return COMMAND + ["serve", "--addr=127.0.0.1:0"] + flags + [test_path]
    return COMMAND + flags + ["--", test_path] + args
