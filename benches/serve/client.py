"""A small HTTP client for measuring: connections that stay open, latencies, and nothing else. Loopback only."""

import asyncio
import time
from urllib.parse import urlsplit


class Connection:
    """One connection, one request at a time."""

    def __init__(self, url):
        parts = urlsplit(url)
        if parts.hostname not in ("127.0.0.1", "localhost"):
            raise SystemExit(f"{url} is not on this machine")
        self.place, self.path = (parts.hostname, parts.port), parts.path
        self.reader = self.writer = None

    async def ask(self, body):
        """Sends a body of JSON; the status, the time it took and the answer. Status 0 is a connection that broke."""
        start = time.perf_counter()
        try:
            if self.writer is None:
                self.reader, self.writer = await asyncio.open_connection(*self.place)
            head = (f"POST {self.path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
                    f"content-length: {len(body)}\r\n\r\n")
            self.writer.write(head.encode() + body)
            head = await self.reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").lower().split("\r\n")
            length = next((int(line[15:]) for line in lines if line.startswith("content-length:")), 0)
            answer = await self.reader.readexactly(length)
            if "connection: close" in lines:
                self.close()
            return int(head[9:12]), time.perf_counter() - start, answer
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return 0, time.perf_counter() - start, b""

    def close(self):
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


class Tally:
    """What became of requests: the latencies of each status."""

    def __init__(self):
        self.of, self.seconds = {}, 0.0

    def add(self, status, seconds):
        self.of.setdefault(status, []).append(seconds)

    def quantile(self, q, status=200):
        sorted_ = sorted(self.of.get(status, [])) or [float("nan")]
        return sorted_[min(len(sorted_) - 1, int(q * len(sorted_)))]

    def rate(self, status=200):
        return len(self.of.get(status, [])) / self.seconds

    def counts(self):
        return {status: len(times) for status, times in sorted(self.of.items())}


async def closed_loop(url, bodies, clients, seconds=None, requests=None):
    """So many clients, each of which asks again when it is answered, for a time or a number of requests."""
    tally, start, asked = Tally(), time.perf_counter(), 0

    async def client(number):
        nonlocal asked
        connection, i = Connection(url), number
        while (seconds is None or time.perf_counter() - start < seconds) and (requests is None or asked < requests):
            asked += 1
            status, took, _ = await connection.ask(bodies[i % len(bodies)])
            tally.add(status, took)
            i += clients
            if status == 429:
                await asyncio.sleep(0.05)
        connection.close()

    await asyncio.gather(*(client(number) for number in range(clients)))
    tally.seconds = time.perf_counter() - start
    return tally


async def open_loop(url, bodies, rate, seconds, connections=3000):
    """So many requests per second, whether they are answered or not."""
    tally, start, free, tasks, opened = Tally(), time.perf_counter(), [], set(), 0

    async def one(body, connection):
        tally.add(*(await connection.ask(body))[:2])
        free.append(connection)

    for i in range(int(rate * seconds)):
        wait = start + i / rate - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        if not free and opened >= connections:
            raise SystemExit(f"{connections} requests are without an answer: the service does not keep its promise")
        if not free:
            opened += 1
        task = asyncio.create_task(one(bodies[i % len(bodies)], free.pop() if free else Connection(url)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    # Until the last answer: a rate over the offered time would count answers that came after it.
    tally.seconds = time.perf_counter() - start
    for connection in free:
        connection.close()
    return tally
