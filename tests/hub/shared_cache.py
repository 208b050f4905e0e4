"""One cache for smvae and huggingface_hub; run.sh says what is checked."""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL = Path("tests/golden/hf_families/roberta")
VARIABLES = ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HF_TOKEN_PATH", "HF_TOKEN"]
VARIABLES += ["HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT"]


class Hub(BaseHTTPRequestHandler):
    """A hub with one model; weights are large files, which have a SHA-256 instead of git's digest."""

    fetched = []

    def do_HEAD(self):
        self.answer(False)

    def do_GET(self):
        self.answer(True)

    def answer(self, with_body):
        path = self.path.split("?")[0]
        name = path.removeprefix(f"/me/tiny/resolve/{COMMIT}/").removeprefix("/me/tiny/resolve/main/")
        headers = {"Content-Type": "application/json"}
        if path.startswith("/api/models/me/tiny/tree/"):
            body = json.dumps([in_tree(file) for file in sorted(MODEL.iterdir())]).encode()
        elif path.startswith("/api/models/me/tiny"):
            files = [listed(file) for file in sorted(MODEL.iterdir())]
            body = json.dumps({"id": "me/tiny", "modelId": "me/tiny", "sha": COMMIT, "siblings": files}).encode()
        elif name != path and (MODEL / name).is_file():
            body = (MODEL / name).read_bytes()
            headers = {"ETag": f'"{digest(MODEL / name)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
            if with_body:
                Hub.fetched.append(name)
        else:
            self.send_error(404)
            return
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def digest(file):
    data = file.read_bytes()
    if file.suffix in (".bin", ".safetensors"):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def listed(file):
    size, entry = file.stat().st_size, {"rfilename": file.name}
    if file.suffix in (".bin", ".safetensors"):
        lfs = {"sha256": digest(file), "size": size, "pointerSize": 134}
        return entry | {"size": size, "blobId": COMMIT, "lfs": lfs}
    return entry | {"size": size, "blobId": digest(file)}


def in_tree(file):
    entry = {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": COMMIT}
    if file.suffix in (".bin", ".safetensors"):
        return entry | {"lfs": {"oid": digest(file), "size": entry["size"], "pointerSize": 134}}
    return entry | {"oid": digest(file)}


class Machine:
    def __init__(self, smvae, work, endpoint):
        self.smvae, self.work, self.endpoint = smvae, work, endpoint
        self.runs = 0
        (work / "corpus").mkdir()
        sentences = [f"Lady/PER sings/O in/O {city}/LOC" for city in ["Oslo", "Rome", "Paris", "Turku"]]
        text = "\n\n".join(sentence.replace(" ", "\n").replace("/", "\tB-").replace("B-O", "O") for sentence in sentences)
        for split in ("train", "valid", "test"):
            (work / "corpus" / f"{split}.txt").write_text(text + "\n")

    def environment(self, variables):
        clean = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        return clean | {"HOME": str(self.work / "home"), "HF_ENDPOINT": self.endpoint} | variables

    def run_smvae(self, arguments, variables):
        environment = self.environment(variables)
        return subprocess.run([self.smvae, *arguments], cwd=self.work, env=environment, capture_output=True, text=True)

    def train(self, model, variables):
        self.runs += 1
        sizes = "--hidden-dim 8 --latent-dim 4 --max-width 3 --max-steps 1 --epochs 1 --threads 1".split()
        arguments = ["train", "--data", "corpus", *sizes, "--text-encoder", model, "--out", f"run-{self.runs}"]
        return self.run_smvae(arguments, variables)

    def python(self, code, variables):
        environment = self.environment(variables)
        done = subprocess.run([sys.executable, "-c", code], cwd=self.work, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


SNAPSHOT = "from huggingface_hub import snapshot_download as f; print(f('me/tiny', local_files_only={}))"


def folders(machine):
    """Each offline, so that smvae names the folder that it looked into."""
    here = str(machine.work)
    nothing, xdg, home = {}, {"XDG_CACHE_HOME": f"{here}/x"}, {"HF_HOME": f"{here}/f"}
    legacy, cache = {"HUGGINGFACE_HUB_CACHE": f"{here}/l"}, {"HF_HUB_CACHE": f"{here}/c"}
    cases = [nothing, xdg, home, legacy, cache, xdg | home, home | legacy, legacy | cache, xdg | home | legacy | cache]
    cases += [{"HF_HOME": "~/f"}, {"HF_HUB_CACHE": "$HOME/c"}, {"XDG_CACHE_HOME": "${HOME}/x"}]
    for variables in cases:
        code = "from huggingface_hub import constants; print(constants.HF_HUB_CACHE)"
        theirs = machine.python(code, variables)
        ours = machine.train("me/none", variables | {"HF_HUB_OFFLINE": "1"})
        assert f"is not in the cache {theirs} " in ours.stderr, (variables, theirs, ours.stderr)
    offline = machine.train("me/none", {"TRANSFORMERS_OFFLINE": "1"})
    assert "is not in the cache" in offline.stderr, offline.stderr
    print(f"hub test: the same folder under {len(cases)} sets of variables")


def both_ways(machine):
    theirs, ours = {"HF_HUB_CACHE": str(machine.work / "theirs")}, {"HF_HOME": str(machine.work / "ours")}
    offline = {"HF_HUB_OFFLINE": "1"}
    machine.python(SNAPSHOT.format(False), theirs)
    assert len(Hub.fetched) == len(list(MODEL.iterdir())), Hub.fetched
    done = machine.train("me/tiny", ours)
    assert done.returncode == 0, done.stderr
    fetched = len(Hub.fetched)
    for variables in (theirs, ours):
        for more in ({}, offline):
            done = machine.train("me/tiny", variables | more)
            assert done.returncode == 0, done.stderr
            folder = Path(machine.python(SNAPSHOT.format(True), variables | more))
            assert folder.name == COMMIT and (folder / "config.json").read_bytes() == (MODEL / "config.json").read_bytes()
    assert len(Hub.fetched) == fetched, f"fetched again: {Hub.fetched[fetched:]}"
    # What smvae did not want, Python fetches, and nothing else.
    machine.python(SNAPSHOT.format(False), ours)
    again = sorted(Hub.fetched[fetched:])
    assert again == ["golden.safetensors"], again
    for variables in (theirs, ours):
        code = "from huggingface_hub import scan_cache_dir as f; i = f(); print(len(i.repos), i.warnings)"
        assert machine.python(code, variables) == "1 []"
    print("hub test: each reads what the other wrote, and fetches nothing twice")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--smvae", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    machine = Machine(arguments.smvae, arguments.work, f"http://127.0.0.1:{server.server_port}")
    folders(machine)
    both_ways(machine)


if __name__ == "__main__":
    main()
