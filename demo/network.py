"""The demo model's network: a plain Llama decoder, written out so that every tensor has its checkpoint name."""

import json
from dataclasses import asdict, dataclass

import torch
from torch import nn
from torch.nn import functional

MASKED = -30000.0  # a score that softmax makes zero, within bf16 and fp16


@dataclass(frozen=True)
class Shape:
    """Sizes of the network. Rows are multiples of 256, so that every GGUF block type can hold them."""

    vocab_size: int = 2048
    hidden_size: int = 256
    intermediate_size: int = 512
    layer_count: int = 4
    head_count: int = 8
    kv_head_count: int = 4
    context_max: int = 1024
    rope_theta: float = 10000.0
    norm_epsilon: float = 1e-5

    @property
    def head_size(self):
        return self.hidden_size // self.head_count


def rope_tables(shape, length):
    """cos and sin of every position, [length, head_size], in the half-split order of Llama checkpoints."""
    exponents = torch.arange(0, shape.head_size, 2, dtype=torch.float32) / shape.head_size
    angles = torch.outer(torch.arange(length, dtype=torch.float32), shape.rope_theta**-exponents)
    return torch.cat([angles, angles], -1).cos(), torch.cat([angles, angles], -1).sin()


def rotate(x, cos, sin):
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin


class RMSNorm(nn.Module):
    def __init__(self, size, epsilon):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.epsilon = epsilon

    def forward(self, x):
        exact = x.float()
        scale = torch.rsqrt(exact.pow(2).mean(-1, keepdim=True) + self.epsilon)
        return (exact * scale * self.weight).to(x.dtype)


class Attention(nn.Module):
    def __init__(self, shape):
        super().__init__()
        kv_size = shape.kv_head_count * shape.head_size
        self.shape = shape
        self.q_proj = nn.Linear(shape.hidden_size, shape.hidden_size, bias=False)
        self.k_proj = nn.Linear(shape.hidden_size, kv_size, bias=False)
        self.v_proj = nn.Linear(shape.hidden_size, kv_size, bias=False)
        self.o_proj = nn.Linear(shape.hidden_size, shape.hidden_size, bias=False)

    def forward(self, x, rope, mask):
        """Written out: on a CPU this trains faster in bf16 than scaled_dot_product_attention. Scores add `mask`."""
        rows, length, _ = x.shape
        head_size, group = self.shape.head_size, self.shape.head_count // self.shape.kv_head_count

        def heads(projected):
            return projected.view(rows, length, -1, head_size)

        q = rotate(heads(self.q_proj(x)), *rope) * head_size**-0.5
        k = rotate(heads(self.k_proj(x)), *rope).repeat_interleave(group, 2)
        v = heads(self.v_proj(x)).repeat_interleave(group, 2)
        q, k, v = (part.transpose(1, 2).contiguous() for part in (q, k, v))
        mixed = (q @ k.transpose(-1, -2) + mask).softmax(-1) @ v
        return self.o_proj(mixed.transpose(1, 2).reshape(rows, length, -1))


class FeedForward(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.up_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.down_proj = nn.Linear(shape.intermediate_size, shape.hidden_size, bias=False)

    def forward(self, x):
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.input_layernorm = RMSNorm(shape.hidden_size, shape.norm_epsilon)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = RMSNorm(shape.hidden_size, shape.norm_epsilon)
        self.mlp = FeedForward(shape)

    def forward(self, x, rope, mask):
        x = x + self.self_attn(self.input_layernorm(x), rope, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Backbone(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layer_count))
        self.norm = RMSNorm(shape.hidden_size, shape.norm_epsilon)


class Network(nn.Module):
    """Token ids in, hidden states out; `logits` multiplies them with the embedding, which both ends share."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.model = Backbone(shape)
        cos, sin = rope_tables(shape, shape.context_max)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        initialise(self)

    def forward(self, ids, mask=None, dtype=torch.float32):
        length = ids.shape[1]
        if mask is None:
            mask = torch.full((length, length), MASKED, dtype=dtype).triu(1)
        rope = self.cos[:length, None].to(dtype), self.sin[:length, None].to(dtype)
        x = self.model.embed_tokens(ids).to(dtype)
        for layer in self.model.layers:
            x = layer(x, rope, mask)
        return self.model.norm(x)

    def logits(self, hidden):
        return functional.linear(hidden, self.model.embed_tokens.weight)


def initialise(network):
    """Random weights, with the embedding as the loudest voice in the first layers, and two pairs of copying heads.

    A small model on few tokens takes most of its training to find that a text repeats itself. So the first two
    key/value heads of the first two layers begin as what such models end with: heads that look at the token before, and
    heads that look for where the present token stood before and repeat what followed it. Training may change them.
    """
    shape, layers = network.shape, network.model.layers
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)
    nn.init.normal_(network.model.embed_tokens.weight)
    nn.init.constant_(network.model.norm.weight, 0.03)
    for layer in layers:
        layer.self_attn.o_proj.weight.data.mul_(0.1)
        layer.mlp.down_proj.weight.data.mul_(0.1)
    for layer in layers[2:]:
        write_what_is_read(shape, layer.self_attn)
    with torch.no_grad():
        # The same for every token: what a head may use to see places alone.
        network.model.embed_tokens.weight[:, 0] = 3.0
        for pair in range(2):
            seen = look_back(shape, layers[0].self_attn, pair)
            repeat_what_followed(shape, layers[1].self_attn, pair, *seen)


@torch.no_grad()
def write_what_is_read(shape, attention):
    """Heads that write the tokens they look at, all alike at first: so where to look can be learned from the start."""
    group = shape.head_count // shape.kv_head_count
    for head in range(shape.head_count):
        value = attention.v_proj.weight[head_rows(shape, head // group)]
        attention.o_proj.weight[:, head_rows(shape, head)] = 0.5 * value.T
        attention.q_proj.weight[head_rows(shape, head)].mul_(0.5)


def head_rows(shape, index):
    return slice(index * shape.head_size, (index + 1) * shape.head_size)


def look_back(shape, attention, kv_head):
    """A head whose score is a sum of cos(frequency * (distance - 1)), highest one token back. Returns the projection of
    the token that it reads and the directions that it writes to."""
    group = shape.head_count // shape.kv_head_count
    pairs, size = shape.head_size // 2, shape.head_size
    frequencies = shape.rope_theta ** -(torch.arange(0, size, 2) / size)
    loudness = torch.where(torch.arange(pairs) < pairs // 2, 2.0, 0.1)
    rows, key_rows = head_rows(shape, kv_head * group), head_rows(shape, kv_head)
    attention.q_proj.weight[rows].mul_(0.1)
    attention.k_proj.weight[key_rows].mul_(0.1)
    attention.q_proj.weight[rows, 0] = torch.cat([loudness, torch.zeros(pairs)])
    attention.k_proj.weight[key_rows, 0] = torch.cat([loudness * frequencies.cos(), loudness * frequencies.sin()])
    directions = torch.linalg.qr(torch.randn(shape.hidden_size, size))[0]
    attention.o_proj.weight[:, rows] = 1.5 * directions
    return attention.v_proj.weight[key_rows].clone(), directions


def repeat_what_followed(shape, attention, kv_head, seen, directions):
    """A head that compares the present token with what `look_back` wrote, and repeats the token that it finds."""
    group = shape.head_count // shape.kv_head_count
    rows, key_rows = head_rows(shape, kv_head * group), head_rows(shape, kv_head)
    pair_index = torch.arange(shape.head_size) % (shape.head_size // 2)
    far_seeing = (pair_index > 4).float()[:, None]  # the fast rotations would blur a match over some distance
    attention.q_proj.weight[rows] = 3.0 * far_seeing * seen
    attention.k_proj.weight[key_rows] = 3.0 * far_seeing * directions.T
    attention.o_proj.weight[:, rows] = 1.5 * attention.v_proj.weight[key_rows].T


def save_shape(shape, path):
    path.write_text(json.dumps(asdict(shape), indent=2) + "\n")


def load_shape(path):
    return Shape(**json.loads(path.read_text()))
