"""Specs that between them exercise everything a backend that renders source has to write."""

from __future__ import annotations

from dataclasses import replace

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.program import Program

SPECS = {
    "se": """
        # A residual block with a gate. Hu et al. 2018.
        block gated(width, stride = 1, reduction = 4) {
            main = x -> conv(width, 3x3, stride=stride) -> bn -> se(reduction)
            return relu(main + (x -> downsample: B(width, stride)))
        }
        model se { input: 3x16x16  stem: conv(8, 3x3) -> bn -> relu  stages: [2, 1]  widths: [8, 16]
                   block: gated  head: gap -> fc(10) }
    """,
    "inception": """
        block branches(width) {
            one = x -> a: conv(width, 1x1) -> relu
            three = x -> b: conv(width, 1x1) -> relu -> c: conv(2 * width, 3x3, bias=true) -> relu
            pooled = x -> maxpool(3x3, stride=1) -> d: conv(width, 1x1)
            return concat(one, three, pooled)
        }
        model inception { input: 3x17x15  stem: conv(8, 5x3, stride=2x1)  stages: [2]  widths: [4]
                          block: branches  head: gap -> fc(7) }
    """,
    "nested": """
        block unit(channels, kernel) { return x -> conv(channels, kernel) -> bn -> relu }
        block two(width, stride = 1) {
            main = x -> first: unit(width, 3) -> second: unit(width, 1) -> avgpool(stride, pad=0, ceil=true)
            return main * (main -> gap -> gate: conv(width, 1x1, bias=true) -> tanh)
        }
        model nested { input: 1xHxW  stem: none  stages: [1, 1]  widths: [6, 10]  block: two
                       head: gap -> fc(4, bias=false) }
    """,
    "several_inputs": """
        block join(other, width) { return concat(x, other -> conv(width, 1x1)) }
        block mine(width) {
            main = x -> conv(width, 3x3) -> bn
            return relu(main -> joined: join(x, width))
        }
        model several_inputs { input: 3x12x12  stages: [2]  widths: [5]  stem: none  block: mine
                               head: gap -> fc(3) }
    """,
    "depthwise": """
        block separable(width, stride = 1, expand = 2) {
            inner = x.channels * expand
            return x -> conv(inner, 1x1) -> bn -> relu -> conv(inner, 3x3, stride, groups=inner) -> bn -> relu
                     -> conv(width, 1x1) -> bn
        }
        model depthwise { input: 3xHxW  stages: [2, 2]  widths: [8, 12]  block: separable
            stem: conv(4, 3x3) -> conv(8, 2x2, stride=2, groups=4, pad=0, init=glorot, bias=true)
                  -> conv(8, 3x3, groups=8, init=uniform, bias=true) -> conv(8, 5x5, groups=8, init=he_fan_in)
            head: gap -> fc(10) }
    """,
    "sloped": """
        model sloped { input: 4x14x21  stages: []
            stem: prelu(per_channel=true) -> instance_norm -> prelu(slope=0.1) -> instance_norm(affine=true)
            head: adaptive_avgpool(7) -> conv(4, 2x2, pad=0) -> upsample(3, mode=bilinear) -> gap
                  -> flatten -> prelu(per_channel=true) -> fc(3) }
    """,
    "same": """
        block same_block(width, stride = 1) {
            main = x -> conv(width, 3x3, stride=stride, pad=same) -> bn -> relu
                     -> maxpool(3x3, stride=2, pad=same)
                     -> conv(width, 3x2, stride=2x1, dilation=2, pad=same)
            other = x -> avgpool(2x2, stride=stride, pad=same) -> conv(width, 1x1)
                      -> avgpool(3x3, stride=2, pad=same) -> avgpool(2x3, stride=2x1, pad=same)
            return main + other
        }
        model same { input: 3xHxW  stem: conv(4, 7x7, stride=2, pad=same)  stages: [1, 1]
                     widths: [4, 8]  block: same_block  head: gap -> fc(5) }
    """,
    "pools": """
        model pools { input: 2x19x22  stages: []
            stem: maxpool(3x3, stride=2, pad=0, ceil=true) -> conv(4, 3x3, dilation=2, stride=2)
                  -> avgpool(3x3, stride=2, pad=1, count_pad=true) -> zeropad(1x2)
                  -> maxpool(3x3, stride=1) -> avgpool(3x2, stride=1, pad=1x0, ceil=true)
            head: subsample(1x2) -> pad_channels(9, side=both) -> flatten -> pad_channels(150) -> bn
                  -> dropout(0.25)
                  -> first: fc(6, init=glorot) -> sigmoid -> second: fc(3, init=small) -> softmax }
    """,
    "uneven": """
        model uneven { input: 3x15x16  stages: []
            stem: zeropad([[0, 1], [2, 0]]) -> conv(6, 3x3, stride=2, pad=[[0, 1], [0, 1]]) -> bn(scale=false)
                  -> relu -> maxpool(3x3, stride=2, pad=[[0, 1], [1, 0]]) -> bn(eps=0, center=false)
                  -> avgpool(2x3, stride=1, pad=[[0, 1], [1, 0]])
                  -> avgpool(3x3, stride=2, pad=[[0, 1], [0, 1]], count_pad=true)
            head: gap -> flatten -> bn(scale=false, center=false) -> fc(4) -> bn(center=false) }
    """,
    "backbone": """
        model backbone { input: 3xHxW  stem: imagenet_stem(8)  stages: [2, 2, 1]  widths: [8, 16, 32]
            block: bottleneck  expansion: 2  outputs: [stem, layer1.0, layer1, layer3]  freeze: [stem, layer1]
            preprocess: { color: bgr  mean: [0.5, 0.25, 0.125]  interpolation: "bi\\cubic é 😀" } }
    """,
    "zero_gamma": """
        model zero_gamma { input: 3x32x32  stem: cifar_stem(8)  stages: [2, 2]  widths: [8, 16]
            block: basic  init: [zero_gamma, he]  shortcut: A  head: gap -> fc(10) }
    """,
    "headless": """
        model headless { input: 3x32x32  stem: cifar_stem(8)  stages: [1, 1]  widths: [8, 16]
            block: basic  activation: pre  head: none }
    """,
    "features": """
        model features { input: 3x16x16  stem: conv(4, 3x3)  stages: [1, 1]  widths: [4, 8]  block: plain
            strides: 1  head: concat(x, layer1, stem) -> gap -> fc(2) }
    """,
    "awkward": """
        # Names that mean something in Python, in PyTorch, in Keras or in the generated file itself.
        block F(type, half, name, training, batch_norm) {
            list = x -> print: conv(type, 3x3) -> name: bn -> relu
            torch = list -> super: conv(half * 2, 1x1) -> self: conv(name, 1x1) -> T: conv(training, 1x1)
            out = torch -> pad_channels(2 * training) -> pad_channels(batch_norm)
            return relu(out + (x -> nn: conv(batch_norm, 1x1) -> downsample: B(batch_norm)))
        }
        block none_(width, downsample = 1) {
            return x -> downsample: B(width, downsample) -> forward1: conv(width + downsample, 1x1)
        }
        block ABlock(keras) { return x -> layers: conv(keras, 1x1) }
        block Ablock(layers) { return x -> keras: conv(layers, 3x3) -> relu }
        model FROZEN {
            input: 3x16x16
            stem: list: conv(4, 3x3) -> x: bn -> keras: relu
            stages: [layers: [F(4, 2, 5, 3, 8), F(6, 3, 7, 5, 12)], inputs: [none_(12), none_(7, 2)],
                     build: [ABlock(3), ABlock(5), Ablock(4), Ablock(6)]]
            head: torch: conv(4, 1x1) -> F: relu -> gap -> self: fc(3)
            outputs: [layers, build, head]
        }
    """,
    "numbered": """
        block digits(width, stride = 1) {
            main = x -> 0: conv(width, 3x3, stride=stride, init=glorot) -> 1: bn -> 01: relu
                     -> 7: conv(width, 1x1)
            return relu(main + (x -> 3: B(width, stride)))
        }
        block chain(width) {
            return x -> 1: conv(width, 1x1, init=uniform, bias=true) -> 3: bn(gamma=0.5) -> 4: relu
        }
        model numbered { input: 3x16x16  stem: 0: conv(4, 3x3) -> 1: bn
                         stages: [2: [digits(4), digits(6, 2)], last: [chain(5)]]  head: gap -> 9: fc(3) }
    """,
    "per_stage": """
        block varied(width, momentum, eps, rate, kernel, dilation) {
            main = x -> conv(width, kernel, dilation=dilation) -> bn(momentum=momentum, eps=eps, gamma=0.5)
                     -> dropout(rate)
            return relu(main + (x -> downsample: C(width)))
        }
        model per_stage { input: 3x24x24  stem: none  stages: [1, 1]  widths: [4, 6]  momentum: [0.1, 0.2]
            eps: [0.001, 0.00001]  rate: [0.5, 0.25]  kernel: [3x3, 5x3]  dilation: [1, 2]
            block: varied  head: relu -> gap -> fc(3) }
    """,
    "frozen_dropout": """
        block drop(width) { return x -> conv(width, 3x3, init=uniform, bias=true) -> dropout(0.5) -> bn }
        model frozen_dropout { input: 3x12x12  stem: conv(4, 3x3) -> bn -> dropout(0.5) -> relu
            stages: [1, 1]  widths: [4, 4]  block: drop  head: gap -> dropout(0.3) -> fc(3)
            freeze: [stem, layer1, relu1] }
    """,
    "long_names": """
        block wide(width_of_the_block_that_is_long, stride_of_the_block_that_is_long = 1) {
            the_main_branch_of_this_block = x -> the_first_convolution_of_the_block:
                conv(width_of_the_block_that_is_long, 3x3, stride=stride_of_the_block_that_is_long) -> bn
            the_other_branch_of_this_block = x -> the_projection_of_this_block_to_the_same_shape:
                C(width_of_the_block_that_is_long, stride_of_the_block_that_is_long)
            return relu(the_main_branch_of_this_block + the_other_branch_of_this_block)
        }
        model long_names { input: 3x16x16  stem: none  stages: [a_stage_with_quite_a_long_name_indeed:
            [wide(4), wide(8, 2), wide(8), wide(8)]]  head: gap -> fc(3) }
    """,
    "starts": """
        block b(width) {
            return x -> he: conv(width, 3x3, groups=2) -> fan_in: conv(width, 3x3, init=he_fan_in, groups=2)
                     -> glorot: conv(width, 3x3, init=glorot)
                     -> uniform: conv(width, 3x3, init=uniform, bias=true)
        }
        model starts { input: 64x8x8  stem: none  stages: [1]  widths: 128  block: b
            head: gap -> a: fc(500) -> b: fc(500, init=glorot) -> c: fc(500, init=he_fan_in)
                  -> d: fc(500, init=small) }
    """,
    "modern": """
        # Attention by channels and by pixels, standardised weights, a blur before each stride.
        block gates(width, stride = 1, rate = 0.25) {
            main = x -> conv(width, 3x3, standardize=1e-6) -> gn(4) -> silu -> blurpool(3, stride)
                     -> conv(width, 1x1, bias=true) -> ln -> gelu
            channels = main -> gap -> channel_conv(3) -> sigmoid
            pixels = main -> conv(1, 3x3, standardize=1e-6, bias=true) -> hard_swish
            kept = main * channels * (1 - pixels) -> stochastic_depth(rate)
            return leaky_relu(kept + (x -> downsample: B(width, stride)), 0.2)
        }
        model modern { input: 4xHxW  stages: [2, 1]  widths: [8, 16]  block: gates  rate: [0.25, 0.5]
            stem: conv(8, 3x3, pad=same, standardize=1e-6) -> lrn(5) -> stochastic_depth(0.5)
            head: upsample(2) -> upsample(2x1, mode=bilinear) -> adaptive_avgpool(3x2)
                  -> gelu(approximate=true) -> flatten(order=hwc) -> ln -> gn(3, gamma=0.5)
                  -> stochastic_depth(0.25) -> channel_conv(5, init=glorot) -> part(1, 2) -> fc(10)
            freeze: stem }
    """,
    "arithmetic": """
        block sums(width, scale, shift) {
            half = 0.5 * x + 2
            both = (1 - half) * (x -> tanh) - x / 4
            return relu(-(both + x)) + (3 - scale * (x + x) + shift) -> subsample(2) -> conv(width, 1x1)
        }
        block chain(width) {
            return (x + tanh(x)) -> part(0, 2) -> relu -> affine(-1) -> affine(-0.5, -3)
                     -> conv(width, 1x1) -> affine(1, -0.25)
        }
        model arithmetic { input: 4x16x16  stem: affine(2, 1)  stages: [1, 1, [chain(6)]]  widths: 4
            block: sums  scale: [0.5, 0.75, 0]  shift: [1, -2, 0]  head: gap -> fc(3) }
    """,
    "varied": """
        block numbers(width, odd, groups, index, eps, rate, factor, stride) {
            main = x -> conv(width, odd, standardize=eps) -> gn(groups, eps=eps) -> ln(eps=eps)
                     -> lrn(odd, alpha=rate, beta=0.5 * odd, k=odd) -> leaky_relu(eps)
                     -> blurpool(3, stride) -> upsample(factor, mode=bilinear) -> upsample(2)
                     -> stochastic_depth(rate)
            gate = main -> gap -> channel_conv(odd) -> sigmoid
            return main * gate -> adaptive_avgpool(5 * factor) -> conv(4 * groups, 1x1) -> part(index, groups)
        }
        block blurred(kernel) { return x -> blurpool(kernel) }
        model varied { input: 4x20x17  stem: none  stages: [1, 1, [blurred(3), blurred(4)]]
            widths: [8, 12, 0]
            odd: [3, 5, 0]  groups: [2, 4, 0]  index: [1, 2, 0]  eps: [0.001, 0.00001, 0]  rate: [0.1, 0.5, 0]
            factor: [2, 3, 0]  strides: [1, 2, 1]  block: numbers  head: gap -> fc(3) }
    """,
    "shared": """
        # One tower over two levels, whose ways to the result are of different lengths.
        block tower(width) {
            return x -> conv(width, 3x3) -> bn -> relu
        }
        block levels(width) {
            same = share(tower(width))
            near = x -> conv(width, 1x1)
            far = near -> conv(width, 3x3, stride=2) -> relu -> cls: same
            return concat(near -> same -> gap, far -> gap)
        }
        block cell(width) {
            same = share(conv(width, 3x3))
            return relu(x + (x -> same -> bn -> relu -> same))
        }
        model shared { input: 3x9x9  stem: conv(4, 3x3)  head: flatten -> fc(3)
                       stages: [[2 * share(cell(4)), cell(4)], levels(6)] }
    """,
    "recent": """
        block learned(width) {
            return x -> conv(width, 3x3, standardize=1e-5, gamma=1, gain=1.5)
                     -> scale(start=0.5) -> grn -> bias(start=0.1)
        }
        block moved(width) {
            larger = x -> conv_transpose(width, 4x4, stride=2) -> crop(like=x)
            smaller = x -> pixel_unshuffle(3) -> conv(9 * width, 1x1) -> channel_shuffle(3)
            return larger + (smaller -> pixel_shuffle(3)) + (smaller -> conv(width, 1x1) -> resize(like=x))
        }
        block pooled(width) {
            parts = x -> softmax(over=parts, parts=2)
            sums = x -> weighted_sum(x -> conv(1, 1x1) -> softmax(over=pixels))
            return concat(parts -> gmp, sums, abs(x) + 0.1 -> gem)
        }
        block seen(width) {
            all = x -> tokens(mean=true) -> positions(82x1)
            rows = x -> tokens -> positions(81x1)
            keys = rows -> conv(width, 1x1)
            found = all -> conv(width, 1x1) -> attention(keys, rows -> conv(width, 1x1), heads=2)
            return found -> pixel(0, 0)
        }
        model recent { input: 3x9x9  stem: conv(4, 3x3)  stages: [[learned(8), moved(8)]]
            head: concat(x -> pooled(8), x -> seen(4)) -> fc(3) }
    """,
}  # fmt: skip

# What a text could hold to get out of the comment that a generated file puts it in.
HOSTILE = (
    '"""', '""" + __import__("os") #', "\\", '\\"""', "a\rimport os", "a\u2028import os", "a\x0cimport os",
    "a\x00b", "{{ 7 * 7 }}", "{% raw %}", "a\x85import os", "\ud800",
)  # fmt: skip


def with_comment(comment: str) -> Program:
    """Compile a spec with this comment; the parser refuses some, a backend does not rely on it."""
    text = "# PLACE\nblock mine(width) { return x -> conv(width, 1x1) }\n"
    text += "model m { input: 3xHxW  stem: none  stages: [1]  widths: 4  block: mine  head: none }"
    checked = program(text)
    network = checked.network
    stage = network.stages[0]
    stage = replace(
        stage, runs=tuple(replace(run, body=replace(run.body, doc=comment)) for run in stage.runs)
    )
    source = replace(network.source, text=text.replace("PLACE", comment))
    return replace(checked, network=replace(network, source=source, stages=(stage,)))


def program(text: str, **settings: object) -> Program:
    """Compile a spec's text, or one of SPECS by its name."""
    return compile_source(Source("spec.resnet", SPECS.get(text, text)), None, None, settings)
