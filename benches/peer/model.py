"""SMVAE in PyTorch, with the mathematics and the parameters of crates/smvae-core, as a careful user would write it.

One BERT pass a tweet over batches padded to their longest tweet (Hugging Face's BertModel, sdpa attention), `nn.LSTM` on
packed sequences, spans gathered with `index_select`, means over pieces from prefix sums, image networks once a tweet.
`scoring="concat"` scores a span as the equation is written, W_f [z; s; e; s-e; s*e]; `"factorised"` multiplies once a
word whatever can be, as smvae does, which is not what one finds in the wild and is there to tell the remedies apart.

nn.LSTM has two biases where smvae has one: the second is zero at first. Nothing else differs in the parameters.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import cross_entropy, leaky_relu, linear
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import BertConfig, BertModel

SLOPE = 0.2
LOG_VAR_LIMIT = 50.0


@dataclass
class Gaussian:
    """A diagonal Gaussian a row, mu and log_var [rows, latent]."""

    mu: torch.Tensor
    log_var: torch.Tensor

    def sample(self, noise):
        return self.mu + (0.5 * self.log_var).exp() * noise

    def select(self, index):
        return Gaussian(self.mu.index_select(0, index), self.log_var.index_select(0, index))

    def kl(self):
        """KL(self || N(0, I)), [rows]."""
        return 0.5 * (self.mu.square() + self.log_var.exp() - 1.0 - self.log_var).sum(-1)


def product(text, image, has_image):
    """Product of two experts, of the text's alone where has_image [rows] is 0."""
    p_text = (-text.log_var).exp()
    p_image = (-image.log_var).exp() * has_image.unsqueeze(1)
    precision = p_text + p_image
    return Gaussian((text.mu * p_text + image.mu * p_image) / precision, -precision.log())


class Expert(nn.Module):
    def __init__(self, dim, k, latent):
        super().__init__()
        self.hidden, self.mu, self.log_var = nn.Linear(dim, k), nn.Linear(k, latent), nn.Linear(k, latent)

    def forward(self, hidden):
        """Of the hidden layer before its activation."""
        x = leaky_relu(hidden, SLOPE)
        return Gaussian(self.mu(x), self.log_var(x).clamp(-LOG_VAR_LIMIT, LOG_VAR_LIMIT))


class Decoder(nn.Module):
    def __init__(self, dim, k, out):
        super().__init__()
        self.hidden_1, self.hidden_2, self.output = nn.Linear(dim, k), nn.Linear(k, k), nn.Linear(k, out)

    def forward(self, x):
        return self.output(leaky_relu(self.hidden_2(leaky_relu(self.hidden_1(x), SLOPE)), SLOPE))


class Smvae(nn.Module):
    """`bert`: the run's encoder.json; `sizes`: config.json's "model"."""

    def __init__(self, bert, sizes, n_classes, dropout=0.1, scoring="concat"):
        super().__init__()
        config = BertConfig(
            **{**bert, "hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout},
            attn_implementation="sdpa",
        )
        d, k, latent, image_dim = config.hidden_size, sizes["hidden_dim"], sizes["latent_dim"], sizes["image_dim"]
        self.encoder = BertModel(config, add_pooling_layer=False)
        self.lstm_vae = nn.LSTM(d, k, batch_first=True, bidirectional=True)
        self.lstm_ner = nn.LSTM(d, k, batch_first=True, bidirectional=True)
        self.text_expert, self.image_expert = Expert(2 * k, k, latent), Expert(image_dim, k, latent)
        self.span_hidden = nn.Linear(latent + 8 * k, k)
        self.classifier = nn.Linear(k, n_classes)
        self.text_decoder = Decoder(n_classes + latent, k, d)
        self.image_decoder = Decoder(latent, k, image_dim)
        self.latent, self.scoring = latent, scoring

    def load(self, tensors):
        """Takes the parameters of a run folder's weights.safetensors; every one of them must be used."""
        renamed = {}
        for name, value in tensors.items():
            name = name.removeprefix("model.").replace("decoder.text.", "text_decoder.")
            name = name.replace("decoder.image.", "image_decoder.")
            if name.startswith("lstm_"):
                base, _, suffix = name.partition("_reverse")
                reverse = "_reverse" if name.endswith("_reverse") else ""
                if base.endswith(".bias"):
                    renamed[f"{base}_hh_l0{reverse}"] = torch.zeros_like(value)
                    base += "_ih"
                name = f"{base}_l0{reverse}"
            renamed[name] = value
        missing, unexpected = self.load_state_dict(renamed, strict=False)
        # Positions are a buffer of BertModel, not a parameter.
        missing = [name for name in missing if not name.endswith(("position_ids", "token_type_ids"))]
        assert not missing and not unexpected, (missing, unexpected)

    def encode(self, batch):
        """Vectors of all positions, [tweets, longest, d]."""
        return self.encoder(input_ids=batch.ids, attention_mask=batch.mask).last_hidden_state

    def recurrent(self, lstm, h, lengths):
        packed = pack_padded_sequence(h, lengths, batch_first=True, enforce_sorted=False)
        out, _ = pad_packed_sequence(lstm(packed)[0], batch_first=True, total_length=h.shape[1])
        return out.flatten(0, 1)

    def score(self, batch, noise=None):
        """Scores all spans of a batch; noise [rows, latent] samples z, without it z is the mean."""
        h = self.encode(batch)
        h1 = self.recurrent(self.lstm_vae, h.detach(), batch.lengths)
        h2 = self.recurrent(self.lstm_ner, h, batch.lengths)
        words = range_means(h2, batch.word_start, batch.word_end)
        if self.scoring == "concat":
            hidden = self.text_expert.hidden(range_means(h1, batch.span_start, batch.span_end))
        else:
            hidden = range_means(self.text_expert.hidden(h1), batch.span_start, batch.span_end)
        text = self.text_expert(hidden)
        image = self.image_expert(self.image_expert.hidden(batch.images))
        has_image = batch.has_image.index_select(0, batch.text)
        fused = product(text, image.select(batch.text), has_image)
        z = fused.mu if noise is None else fused.sample(noise)
        logits = self.classifier(leaky_relu(self.span_layer(z, words, batch), SLOPE))
        return h, text, image, fused, has_image, logits

    def span_layer(self, z, words, batch):
        if self.scoring == "concat":
            s, e = words.index_select(0, batch.first), words.index_select(0, batch.last)
            return self.span_hidden(torch.cat([z, s, e, s - e, s * e], -1))
        width = words.shape[1]
        w_z, w_s, w_e, w_diff, w_mul = self.span_hidden.weight.split([self.latent] + [width] * 4, 1)
        first = linear(words, w_s + w_diff, self.span_hidden.bias)
        last = linear(words, w_e - w_diff)
        product = words.index_select(0, batch.first) * words.index_select(0, batch.last)
        ends = first.index_select(0, batch.first) + last.index_select(0, batch.last)
        return ends + linear(product, w_mul) + linear(z, w_z)

    def terms(self, batch, noise):
        """Logits and the five terms of the negative ELBO, [rows] each; noise: (z, text, image)."""
        h, text, image, fused, has_image, logits = self.score(batch, noise[0])
        target = range_means(h.detach().flatten(0, 1), batch.span_start, batch.span_end)
        decoded = self.text_decoder(torch.cat([logits.softmax(-1), text.sample(noise[1])], -1))
        of_image = (self.image_decoder(image.sample(noise[2])) - batch.images).square().mean(-1)
        rows = lambda x: x.index_select(0, batch.text) * has_image
        mse_text = (decoded - target).square().mean(-1)
        return logits, (mse_text, rows(of_image), text.kl(), rows(image.kl()), fused.kl() * has_image)


def range_means(x, start, end):
    """Means of the rows [start, end) of x: [rows, d], from prefix sums."""
    sums = nn.functional.pad(x.cumsum(0), (0, 0, 1, 0))
    return (sums.index_select(0, end) - sums.index_select(0, start)) / (end - start).unsqueeze(1)


def step_loss(model, objective, labelled, unlabelled, noise):
    """Loss of a step and its parts; noise: a function from (batch, stream) to the three tensors."""
    logits, terms = model.terms(labelled, noise(labelled, 0))
    ce = cross_entropy(logits, labelled.targets)
    weighted = lambda t: t[0] + t[1] + objective["kl_weight"] * (t[2] + t[3] + t[4])
    if unlabelled is None:
        return ce + weighted(terms).mean(), ce, terms, None
    u_logits, u_terms = model.terms(unlabelled, noise(unlabelled, 3))
    mask = (u_logits.argmax(-1) != 0).float()
    loss = ce * torch.tensor(1.0 - objective["gamma"]).exp() + weighted(terms).mean()
    return loss + objective["lambda"] * (mask * weighted(u_terms)).mean(), ce, terms, u_terms
