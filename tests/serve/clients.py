"""Other programs' own clients against a running service: Triton's over HTTP, and KServe's.

    python tests/serve/clients.py http://127.0.0.1:PORT
"""

import asyncio
import json
import sys
from urllib.parse import urlsplit

import numpy as np

url = sys.argv[1]
texts = ["Ana Silva lands in Oslo 🎉", "", "nothing"]


def check(answers, who):
    assert [json.loads(answer)["text"] for answer in answers] == texts, answers
    assert all("entities" in json.loads(answer) for answer in answers), answers
    print(f"{who}: {sum(len(json.loads(answer)['entities']) for answer in answers)} entities in {len(texts)} texts")


def triton():
    import tritonclient.http as client

    service = client.InferenceServerClient(urlsplit(url).netloc)
    assert service.is_server_live() and service.is_server_ready() and service.is_model_ready("smvae")
    metadata = service.get_model_metadata("smvae")
    assert metadata["inputs"][0]["name"] == "text", metadata
    array = np.array(texts, dtype=np.object_)
    tensor = client.InferInput("text", [len(texts)], "BYTES")
    tensor.set_data_from_numpy(array, binary_data=False)
    wanted = client.InferRequestedOutput("entities", binary_data=False)
    check(service.infer("smvae", [tensor], outputs=[wanted]).as_numpy("entities"), "tritonclient")
    # Tensors as bytes are refused in words.
    tensor.set_data_from_numpy(array, binary_data=True)
    try:
        service.infer("smvae", [tensor])
    except client.InferenceServerException as error:
        assert "binary_data=False" in str(error), error
    else:
        raise AssertionError("it took tensors as bytes")


async def kserve():
    from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

    service = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await service.is_server_ready(url) and await service.is_model_ready(url, "smvae")
    tensor = InferInput("text", [len(texts)], "BYTES", data=texts)
    answer = await service.infer(url, InferRequest("smvae", [tensor]), model_name="smvae")
    check(answer.outputs[0].data, "kserve")


triton()
asyncio.run(kserve())
