"""Every command with its options."""

from __future__ import annotations

from resnet_dsl.cli.parser import Command, Parser, batch, up_to
from resnet_dsl.limits import SEED, TRAINING

DTYPES = ("float16", "bfloat16", "float32", "float64")
OPTIMIZERS = ("sgd", "momentum", "adam")


def _specs(parser: Parser) -> None:
    parser.add_argument("specs", metavar="SPEC", nargs="+", help="a path, `-`, or a shipped name")
    _settings(parser)


def _spec(parser: Parser) -> None:
    parser.add_argument("spec", metavar="SPEC", help="a path, `-`, or a shipped name")
    _settings(parser)


def _settings(parser: Parser) -> None:
    parser.add_argument(
        "--set", dest="settings", metavar="NAME=VALUE", action="append", default=[],
        help="set a parameter or field of the model",
    )  # fmt: skip
    parser.add_argument("--model", metavar="NAME", help="the model, of a file with several")


def _recipe(parser: Parser) -> None:
    parser.add_argument("--recipe", metavar="NAME", help="the recipe, of a file with several or with a model")


def _format(parser: Parser, *names: str) -> None:
    parser.add_argument("--format", choices=names, default=names[0], help=f"(default: {names[0]})")


def _warnings(parser: Parser) -> None:
    parser.add_argument(
        "--warnings", choices=("default", "error", "none"), default="default",
        help="report warnings, as errors with `error`, or none (default: default)",
    )  # fmt: skip


def _compile(parser: Parser) -> None:
    _specs(parser)
    _recipe(parser)
    _warnings(parser)
    parser.add_argument("--backend", metavar="NAME", help="torch, keras, onnx, … or all")
    parser.add_argument("--emit", metavar="STAGE", help="ast, network, graph or a backend, to stdout")
    parser.add_argument("-o", "--output", metavar="PATH", help="a file, a folder, or `-` for stdout")
    parser.add_argument("--weights", metavar="FILE", help="write these weights into or beside the artefacts")
    parser.add_argument(
        "--seed", metavar="N", type=up_to(SEED), help="write the initial weights of this seed"
    )
    parser.add_argument("--names", metavar="LIBRARY", help="call layers as keras.applications, timm, … do")
    _optimize(parser)
    _preprocess(parser)
    _from(parser)
    _partial(parser)
    _force(parser)


def _optimize(parser: Parser) -> None:
    parser.add_argument(
        "--optimize", choices=("inference",), metavar="FOR",
        help="inference: fold norms, scales and biases into layers, leave out what only training needs",
    )  # fmt: skip


def _preprocess(parser: Parser) -> None:
    parser.add_argument(
        "--preprocess", action="store_true",
        help="the artefact takes images as bytes, N x H x W x C, and does what `preprocess` says of numbers",
    )  # fmt: skip


def _partial(parser: Parser) -> None:
    parser.add_argument(
        "--partial", action="store_true", help="load the weights that fit, start the rest from the seed"
    )


def _force(parser: Parser) -> None:
    parser.add_argument("--force", action="store_true", help="overwrite files that are not ours")
    _quiet(parser)


def _quiet(parser: Parser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing of what was written")


def _check(parser: Parser) -> None:
    _specs(parser)
    _recipe(parser)
    _warnings(parser)
    _format(parser, "text", "json", "github", "sarif")


def _train(parser: Parser) -> None:
    _spec(parser)
    _recipe(parser)
    parser.add_argument("--backend", metavar="NAME", required=True, help="torch or keras")
    parser.add_argument("--out", metavar="DIR", help="the folder of the run (default: runs/NAME-BACKEND)")
    _warnings(parser)
    _force(parser)


def _summary(parser: Parser) -> None:
    _spec(parser)
    _recipe(parser)
    _format(parser, "text", "json")
    tables = parser.add_mutually_exclusive_group()
    tables.add_argument("--layers", action="store_true", help="a line for each op")
    tables.add_argument("--blocks", action="store_true", help="a line for each distinct block")
    tables.add_argument(
        "--bars", action="store_true", help="bars for parameters and MACs, as on a wide terminal"
    )
    parser.add_argument("--batch", metavar="N", type=batch, help="the memory for N images at once")
    parser.add_argument("--dtype", choices=DTYPES, help="the memory for such numbers (default: float32)")
    parser.add_argument(
        "--optimizer", choices=OPTIMIZERS, help="the memory with this one (default: momentum)"
    )
    _optimize(parser)


def _list(parser: Parser) -> None:
    parser.add_argument(
        "words", metavar="WORD", nargs="*", help="only what has each word in name, folder or description"
    )
    parser.add_argument(
        "--where", metavar="CONDITION", help='only models for which it holds: "params < 5_000_000"'
    )
    _format(parser, "text", "json")


def _show(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", help="a shipped name")


def _expand(parser: Parser) -> None:
    _spec(parser)
    _format(parser, "network", "graph", "ast")
    _optimize(parser)


def _draw(parser: Parser) -> None:
    _spec(parser)
    parser.add_argument(
        "-o", "--output", metavar="PATH",
        help="a file .svg, .dot or .mmd, a folder, or `-` for stdout (default: here)",
    )  # fmt: skip
    parser.add_argument(
        "--format", metavar="NAME", help="svg, dot or mmd (default: the suffix of the file, or svg)"
    )
    _force(parser)


def _diff(parser: Parser) -> None:
    for side in ("a", "b"):
        what = "a spec, a shipped name, a file of weights or an ONNX model"
        parser.add_argument(side, metavar=side.upper(), help=what)
    for side in ("a", "b"):
        parser.add_argument(
            f"--set-{side}", dest=f"settings_{side}", metavar="NAME=VALUE", action="append", default=[],
            help=f"set a parameter or field of {side.upper()}",
        )  # fmt: skip
        parser.add_argument(f"--model-{side}", metavar="NAME", help="the model, of a file with several")
    _within(parser)
    parser.add_argument(
        "--format", metavar="NAME",
        help="text or json, or svg, dot or mmd for a picture (default: the suffix of the file, or text)",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", metavar="PATH",
        help="draw what differs: a file .svg, .dot or .mmd, a folder, or `-` for stdout",
    )  # fmt: skip
    _force(parser)


def _verify(parser: Parser) -> None:
    _spec(parser)
    parser.add_argument("--backends", metavar="NAMES", help="torch,keras,onnx (default: all installed)")
    parser.add_argument(
        "--engines",
        choices=("own", "all"),
        default="own",
        help="without --backends: also other engines that are installed, as keras:jax (default: own)",
    )
    parser.add_argument(
        "--train-steps",
        metavar="K",
        type=up_to(TRAINING),
        default=0,
        help="compare K steps of SGD too, in float64",
    )
    _verify_recipe(parser)
    parser.add_argument("--weights", metavar="FILE", help="weights to use in place of random ones")
    _from(parser)
    parser.add_argument(
        "--seed", metavar="N", type=up_to(SEED), default=0, help="of weights and inputs (default: 0)"
    )
    parser.add_argument(
        "--size", metavar="HxW", action="append", default=[], help="an input size, repeatable"
    )
    _optimize(parser)
    _format(parser, "text", "json")


def _verify_recipe(parser: Parser) -> None:
    parser.add_argument(
        "--recipe", metavar="NAME", help="compare the training scripts of a recipe of the file, step by step"
    )
    parser.add_argument(
        "--steps", metavar="K", type=up_to(TRAINING), help="of a recipe: K steps of each phase (default: 20)"
    )
    parser.add_argument("--data", metavar="PATH", help="of a recipe: its images, if they are elsewhere")
    parser.add_argument("--random", action="store_true", help="of a recipe: random images of its sizes")


def _predict(parser: Parser) -> None:
    _spec(parser)
    parser.add_argument("pictures", metavar="PICTURE", nargs="+", help="a picture, or a folder of pictures")
    parser.add_argument("--weights", metavar="FILE", required=True, help="the weights of the network")
    parser.add_argument("--recipe", metavar="NAME", help="prepare pictures as this recipe of the file does")
    parser.add_argument(
        "--data", metavar="PATH", help="the data of the recipe, if it is not where the recipe says"
    )
    parser.add_argument(
        "--backend", metavar="NAME",
        help="torch, keras, onnx, … or reference (default: the first that is installed)",
    )  # fmt: skip
    parser.add_argument("--top", metavar="K", type=batch, default=5, help="the K best classes (default: 5)")
    parser.add_argument("--labels", metavar="FILE", help="the names of the classes, one a line")
    parser.add_argument("--format", choices=("text", "csv", "json"), help="(default: text, csv of a folder)")
    parser.add_argument("-o", "--output", metavar="FILE", help="a file, or `-` for stdout")
    _from(parser)
    _partial(parser)
    _force(parser)
    parser.set_defaults(seed=None)


def _weights_init(parser: Parser) -> None:
    _spec(parser)
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="its suffix is the format")
    parser.add_argument("--seed", metavar="N", type=up_to(SEED), default=0, help="(default: 0)")
    _force(parser)


def _weights_inspect(parser: Parser) -> None:
    parser.add_argument("file", metavar="FILE", help="a file of weights")
    parser.add_argument("--spec", metavar="SPEC", help="compare with this model")
    _from(parser)
    _settings(parser)
    _format(parser, "text", "json")


def _from(parser: Parser) -> None:
    parser.add_argument(
        "--from", dest="from_library", metavar="LIBRARY",
        help="the names in the file are those of keras.applications, timm, … (default: as found)",
    )  # fmt: skip
    parser.add_argument(
        "--name", dest="called", metavar="LAYER=NAME", action="append", default=[],
        help="what a layer of the spec is called there, repeatable",
    )  # fmt: skip
    _within(parser)
    _arithmetic(parser)


def _within(parser: Parser) -> None:
    parser.add_argument(
        "--key", metavar="KEY", help="the entry of the file that is meant, such as state_dict_ema"
    )
    parser.add_argument(
        "--prefix", metavar="TEXT", help="take the names that begin so, such as backbone., and without it"
    )
    parser.add_argument(
        "--unfold", action="store_true",
        help="norms were folded into the layers before them: have them again, exact in evaluation alone",
    )  # fmt: skip


def _arithmetic(parser: Parser) -> None:
    parser.add_argument(
        "--apply", metavar="FORMS",
        help="put weights together that the file keeps in parts: weight_norm, spectral_norm, masks",
    )  # fmt: skip
    parser.add_argument(
        "--adapt-input", action="store_true",
        help="sum or repeat the input channels of the first convolution into those of the model",
    )  # fmt: skip
    parser.add_argument(
        "--classes", metavar="ROWS", help="the rows of the classifier that are the model's: 1:, 3,1,2, …"
    )


def _weights_convert(parser: Parser) -> None:
    parser.add_argument("source", metavar="SRC", help="a file of weights")
    parser.add_argument("target", metavar="DST", help="the file to write; its suffix is the format")
    parser.add_argument("--spec", metavar="SPEC", required=True, help="the model they are weights of")
    _from(parser)
    parser.add_argument(
        "--to", dest="to_library", metavar="LIBRARY", help="write the names of timm, torchvision, …"
    )
    _optimize(parser)
    _settings(parser)
    _partial(parser)
    parser.add_argument(
        "--seed", metavar="N", type=up_to(SEED), help="with --partial: starts the rest (default: 0)"
    )
    _force(parser)


def _weights_average(parser: Parser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", help="a file of weights; two or more")
    parser.add_argument("-o", "--output", metavar="DST", required=True, help="its suffix is the format")
    parser.add_argument("--spec", metavar="SPEC", required=True, help="the model they are weights of")
    _from(parser)
    _settings(parser)
    _force(parser)


def _import(parser: Parser) -> None:
    parser.add_argument("file", metavar="FILE", help="a file of weights, or an ONNX model")
    parser.add_argument("-o", "--output", metavar="SPEC", help="the file to write (default: stdout)")
    parser.add_argument("--name", metavar="NAME", help="the model's name (default: after the file's)")
    parser.add_argument("--stride-on", choices=("conv1", "conv2"), help="of bottlenecks: v1 or v1.5")
    parser.add_argument(
        "--shortcut", metavar="BLOCK", help="where no tensor tells: A, 'A(side=both)', none, …"
    )
    parser.add_argument("--input", metavar="CxHxW", help="the input's size")
    _within(parser)
    parser.add_argument(
        "--set", dest="settings", metavar="NAME=VALUE", action="append", default=[],
        help="a field of the spec as you know it",
    )  # fmt: skip
    _force(parser)


def _gen_test(parser: Parser) -> None:
    _spec(parser)
    parser.add_argument("--backends", metavar="NAMES", help="torch,keras,onnx (default: all there are)")
    parser.add_argument("-o", "--output", metavar="PATH", help="a file or a folder (default: here)")
    _force(parser)


def _fmt(parser: Parser) -> None:
    parser.add_argument("specs", metavar="SPEC", nargs="+", help="a path, or `-` for stdin to stdout")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if something would")
    parser.add_argument("--diff", action="store_true", help="change nothing; show what would")
    _quiet(parser)


def _completion(parser: Parser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="for which shell")


def _nothing(parser: Parser) -> None:
    """For a command without options."""


def _explain(parser: Parser) -> None:
    parser.add_argument("code", metavar="CODE", nargs="?", help="such as E0301; all are listed without it")


COMMANDS = {
    "compile": Command("check specs, then write the artefacts of a backend", _compile, "compile.compile_"),
    "check": Command("report what is wrong with specs", _check, "check.check"),
    "train": Command(
        "compile a recipe and run its script; other options are the script's",
        _train,
        "train.train",
        passes_on=True,
    ),
    "watch": Command("check a spec again whenever it changes", _spec, "watch.watch"),
    "summary": Command("show stages, parameters, multiply-adds and memory", _summary, "summary.summary"),
    "draw": Command("draw the network and its blocks", _draw, "draw.draw"),
    "list": Command("list the shipped specs", _list, "list.list_"),
    "show": Command("show the text of a shipped spec", _show, "show.show"),
    "expand": Command("show the program after elaboration", _expand, "expand.expand"),
    "diff": Command("say what differs between two networks", _diff, "diff.diff"),
    "verify": Command("prove that every backend gives the same numbers", _verify, "verify.verify"),
    "predict": Command(
        "say what pictures show, with probabilities", _predict, "predict.predict", keeps_memory=True
    ),
    "weights init": Command("write a model's initial weights", _weights_init, "weights.init"),
    "weights inspect": Command("show what a file of weights holds", _weights_inspect, "weights.inspect"),
    "weights convert": Command("rewrite weights in another format", _weights_convert, "weights.convert"),
    "weights average": Command(
        "write the mean of several files of weights", _weights_average, "weights.average"
    ),
    "import": Command("restore the spec from weights or an ONNX model", _import, "import_.import_"),
    "gen-test": Command("write a test that proves your artefacts identical", _gen_test, "gen_test.gen_test"),
    "fmt": Command("rewrite specs in the canonical form", _fmt, "fmt.fmt"),
    "lsp": Command("serve an editor: diagnostics, hover, completion, renaming", _nothing, "lsp.lsp"),
    "backends": Command("list the backends and what each needs", _nothing, "backends.backends"),
    "explain": Command("explain the code of a diagnostic", _explain, "explain.explain"),
    "completion": Command("print what completes commands in a shell", _completion, "completion.completion"),
}
