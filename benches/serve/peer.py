"""The peer: FastAPI around transformers' pipeline of the same text encoder, as its friends would write it.

One post per request. Requests that wait are computed together, up to 16 of them, as soon as the model is free: the
pipeline itself would take each request alone. The head is random: what is measured is time. Prints its address when
it is ready.
"""

import argparse
import asyncio
import socket
from contextlib import asynccontextmanager

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

BATCH = 16

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", required=True)
parser.add_argument("--threads", type=int, default=2)
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(1)
network = AutoModelForTokenClassification.from_pretrained(args.model, num_labels=9).eval()
ner = pipeline("token-classification", model=network, tokenizer=AutoTokenizer.from_pretrained(args.model),
               aggregation_strategy="simple", batch_size=BATCH)


class Post(BaseModel):
    text: str


async def work(queue):
    while True:
        waiting = [await queue.get()]
        while len(waiting) < BATCH and not queue.empty():
            waiting.append(queue.get_nowait())
        texts = [text for text, _ in waiting]
        for (_, answer), found in zip(waiting, await asyncio.to_thread(ner, texts)):
            if not answer.cancelled():
                answer.set_result(found)


@asynccontextmanager
async def lifespan(app):
    app.state.queue = asyncio.Queue()
    worker = asyncio.create_task(work(app.state.queue))
    yield
    worker.cancel()


app = FastAPI(lifespan=lifespan)


@app.post("/predict")
async def predict(post: Post):
    answer = asyncio.get_running_loop().create_future()
    await app.state.queue.put((post.text, answer))
    found = await answer
    return {"entities": [{"start": e["start"], "end": e["end"], "text": e["word"], "label": e["entity_group"],
                          "score": float(e["score"])} for e in found]}


if __name__ == "__main__":
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    ner(["Lady Gaga lands in Oslo."])
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.run(app, fd=listener.fileno(), log_level="error")
