"""Load on `smvae serve` from a second process, on loopback, and beside a service in Python.

    benches/serve/run.sh RUN POSTS.jsonl          # all of it
    python3 benches/serve/load.py --help

Prints lines of Markdown; what they are is said in benches/README.md. Needs nothing but Python.
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import time
import urllib.request

from client import Connection, closed_loop, open_loop


def main():
    args = arguments()
    # Both sides hold a file for each connection.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    posts = [json.loads(line) for line in open(args.posts, encoding="utf-8")]
    bodies = [json.dumps({"text": post["text"]}).encode() for post in posts]
    what = args.what.split(",")
    baseline = predict(args) if "predict" in what else None
    with Service(command(args)) as service:
        print(f"\nready after {service.ready:.2f} s, {service.mib():.0f} MiB\n", flush=True)
        # Nothing is measured before every thread and buffer was used once.
        asyncio.run(closed_loop(service.url + "/v1/predict", bodies, 64, seconds=args.warm_up))
        if "clients" in what:
            clients(service, "/v1/predict", bodies, args, baseline)
        if "overload" in what:
            overload(service, bodies, args)
        if "memory" in what:
            memory(service, args)
        # Last: what connections took, the allocator keeps.
        if "idle" in what:
            idle(service, bodies, args)
    if "peer" in what:
        peer_command = [args.peer_python, os.path.join(os.path.dirname(__file__), "peer.py"), "--model", args.encoder,
                        "--threads", str(args.threads)]
        with Service(peer_command) as service:
            print(f"\npeer: ready after {service.ready:.2f} s, {service.mib():.0f} MiB\n", flush=True)
            asyncio.run(closed_loop(service.url + "/predict", bodies, 64, seconds=args.warm_up))
            clients(service, "/predict", bodies, args, None)
            print(f"\npeer: {service.mib():.0f} MiB", flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smvae", default="target/release/smvae", help="the program")
    parser.add_argument("--model", required=True, help="a run folder")
    parser.add_argument("--posts", required=True, help="a file of JSON lines with texts")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="f32", help="f32, int8 or auto, of the service and of predict")
    parser.add_argument("--seconds", type=float, default=20, help="of each measurement")
    parser.add_argument("--warm-up", type=float, default=5)
    parser.add_argument("--requests", type=int, default=200_000, help="of the measurement of memory")
    parser.add_argument("--idle", type=int, default=10_000, help="idle connections, as far as the limit of files allows")
    parser.add_argument("--what", default="predict,clients,overload,idle,memory", help="and peer")
    parser.add_argument("--peer-python", default=sys.executable, help="a Python with benches/serve/requirements.txt")
    parser.add_argument("--encoder", help="the text encoder's folder, for the peer")
    return parser.parse_args()


def command(args):
    return [args.smvae, "--threads", str(args.threads), "serve", "--model", args.model, "--port", "0", "--log", "off",
            "--no-images", "--precision", args.precision, "--connections", str(args.idle + 4000), "--header-time", "60"]


class Service:
    """A process that prints its address when it is ready."""

    def __init__(self, line):
        self.line = line

    def __enter__(self):
        start = time.perf_counter()
        self.process = subprocess.Popen(self.line, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        if not self.url.startswith("http://127.0.0.1:"):
            raise SystemExit(f"{self.line} does not start")
        self.ready = time.perf_counter() - start
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=60)

    def mib(self):
        """Resident memory."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024

    def metric(self, name):
        with urllib.request.urlopen(self.url + "/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith(name + " "))


def predict(args):
    """Posts per second of `smvae predict` on the same file, without the time to load the model."""
    def seconds(path):
        start = time.perf_counter()
        line = [args.smvae, "--threads", str(args.threads), "predict", "--model", args.model, "--input", path,
                "--no-images", "--precision", args.precision]
        subprocess.run(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        return time.perf_counter() - start

    one = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"smvae-one-{os.getpid()}.jsonl")
    with open(one, "w", encoding="utf-8") as file:
        file.write('{"text": "a"}\n')
    loading = min(seconds(one) for _ in range(3))
    os.unlink(one)
    with open(args.posts, encoding="utf-8") as file:
        n = sum(1 for _ in file)
    rate = n / (seconds(args.posts) - loading)
    print(f"smvae predict: {rate:.0f} posts/s ({n} posts; {loading:.2f} s to load are not counted)", flush=True)
    return rate


def clients(service, path, bodies, args, baseline):
    """Throughput and latency of 1, 8 and 64 clients with one post each."""
    print("| clients | posts/s | of predict | p50 ms | p99 ms | other than 200 |\n|---|---|---|---|---|---|")
    for n in (1, 8, 64):
        tally = asyncio.run(closed_loop(service.url + path, bodies, n, seconds=args.seconds))
        of = f"{tally.rate() / baseline:.2f}" if baseline else "-"
        others = {status: count for status, count in tally.counts().items() if status != 200}
        print(f"| {n} | {tally.rate():.0f} | {of} | {1e3 * tally.quantile(.5):.1f} | {1e3 * tally.quantile(.99):.1f} | "
              f"{others or 'none'} |", flush=True)


def overload(service, bodies, args):
    """Twice of what it can take: only 200 and 429, a bounded wait, and soon well again."""
    url = service.url + "/v1/predict"
    can = asyncio.run(closed_loop(url, bodies, 64, seconds=args.seconds)).rate()
    before = service.mib()
    tally = asyncio.run(open_loop(url, bodies, 2 * can, args.seconds))
    bound = 2 * 1024 / can
    print(f"\noverload of {2 * can:.0f} posts/s: {tally.counts()}, {tally.rate():.0f} answered a second, p99 of the 200s "
          f"{tally.quantile(.99):.2f} s (2 x queue / rate = {bound:.2f} s), {before:.0f} MiB before, {service.mib():.0f} "
          f"after", flush=True)
    start = time.perf_counter()
    while service.metric("smvae_queue_posts") > 0:
        time.sleep(0.02)
    status, took, _ = asyncio.run(Connection(url).ask(bodies[0]))
    print(f"queue empty {time.perf_counter() - start:.2f} s later; then {status} in {1e3 * took:.0f} ms", flush=True)


def idle(service, bodies, args):
    """Connections that say nothing."""
    async def run():
        room = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200
        before, n = service.mib(), min(args.idle, room)
        held = [await asyncio.open_connection("127.0.0.1", int(service.url.split(":")[-1])) for _ in range(n)]
        await asyncio.sleep(1)
        tally = await closed_loop(service.url + "/v1/predict", bodies, 8, seconds=min(args.seconds, 10))
        print(f"\n{n} idle connections: {service.mib() - before:+.0f} MiB, 8 clients meanwhile {tally.rate():.0f} posts/s, "
              f"p99 {1e3 * tally.quantile(.99):.0f} ms", flush=True)
        for _, writer in held:
            writer.close()
    asyncio.run(run())


def memory(service, args):
    """Memory after many requests, of short posts of several lengths."""
    words = "Lady Gaga lands in Oslo and sings for Ana Silva at the town hall".split()
    bodies = [json.dumps({"text": " ".join(words[:n])}).encode() for n in range(1, len(words))]
    url = service.url + "/v1/predict"
    asyncio.run(closed_loop(url, bodies, 64, requests=min(5000, args.requests)))
    levels = [service.mib()]
    for _ in range(4):
        asyncio.run(closed_loop(url, bodies, 64, requests=args.requests // 4))
        levels.append(service.mib())
    time.sleep(2)
    change = 100 * (service.mib() / levels[0] - 1)
    shown = ", ".join(f"{level:.0f}" for level in levels)
    print(f"\nmemory over {args.requests} requests: {shown} MiB; at rest {service.mib():.0f} MiB, {change:+.1f} %",
          flush=True)


if __name__ == "__main__":
    main()
