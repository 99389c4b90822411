"""The words by which operations are known, class by class: a table, no code.

Words are compared with an op's short name in lower case without underscores and without what marks it as a gradient
(`native_layer_norm_backward` is `nativelayernorm`, `ReduceMean` is `reducemean`) or as one for many tensors
(`_foreach_norm` is `norm`), so that one word serves every framework. Rows are tried from the top; the first that
fits decides.
"""

from typing import NamedTuple

from graphreel.render.styles import BoxClass


class OpWords(NamedTuple):
    """Operations of a class: those whose name is one of `whole`, and those whose name contains one of `parts`."""

    found: BoxClass
    whole: frozenset[str] = frozenset()
    parts: tuple[str, ...] = ()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


OP_WORDS = (
    OpWords(
        BoxClass.CONTROL,
        _words("""if loop scan while cond case switch merge enter exit nextiteration statelessif statelesswhile
            sequencemap partitionedcall statefulpartitionedcall localscalardense item isnonzero assert assertasync"""),
    ),
    OpWords(
        BoxClass.RANDOM,
        _words("rand randn randint randperm normal uniform exponential truncatednormal cauchy geometric lognormal"),
        ("dropout", "bernoulli", "multinomial", "random", "poisson"),
    ),
    OpWords(
        BoxClass.UPDATE,
        parts=("fusedadam", "fusedsgd", "fusedadagrad", "assign", "resourceapply", "scatterupdate"),
    ),
    OpWords(
        BoxClass.REDUCTION,
        _words("""sum mean prod max min amax amin argmax argmin std var varmean any all norm linalgvectornorm median
            mode topk sort argsort cumsum cumprod logsumexp aminmax countnonzero unique bincount histc allclose"""),
        ("loss", "crossentropy", "reduce", "pool"),
    ),
    OpWords(BoxClass.NORMALIZATION, _words("lrn"), ("norm",)),
    OpWords(
        BoxClass.COMPUTE,
        _words("""mm tmm bmm mv dot vdot linear gemm einsum outer ger bilinear addmv addbmm baddbmm addr embeddingbag
            gru lstm rnn"""),
        ("conv", "matmul", "addmm", "attention", "lstm", "grucell", "rnn", "linalg", "scaledmm", "fft"),
    ),
    OpWords(
        BoxClass.ACTIVATION,
        _words("erf elu selu celu glu mish threshold"),
        ("relu", "gelu", "silu", "swish", "sigmoid", "tanh", "softmax", "softplus", "softsign", "leaky", "hardswish"),
    ),
    OpWords(
        BoxClass.SHAPE,
        _words("""reshape view unsafeview reshapealias t transpose permute squeeze unsqueeze expand flatten unflatten
            slice select split splitwithsizes chunk cat concat concatv2 stack unbind unpack pack narrow asstrided alias
            detach repeat repeatinterleave tile pad padv2 constantpadnd gather gatherv2 gathernd gatherelements index
            indexselect indexput scatter scatternd scatteradd scatterelements embedding embeddingdense roll flip unfold
            fold spacetodepth depthtospace shape size stridedslice expandas viewas expanddims movedim swapaxes diagonal
            tril triu maskedselect nonzero identity identityn viewasreal viewascomplex reversev2 reversesequence"""),
        ("pixelshuffle", "pixelunshuffle", "upsample", "interpolate", "resize", "broadcast"),
    ),
    OpWords(
        BoxClass.DATA,
        _words("""tocopy copy clone contiguous constant const constantofshape range arange full fulllike zeros
            zeroslike ones oneslike empty emptylike emptystrided newzeros newones newfull newempty newemptystrided fill
            zero eye eyelike linspace onehot cast castlike liftfresh lift set scalartensor placeholder variable
            variablev2 varhandleop readvariableop noop quantizelinear dequantizelinear dynamicquantizelinear"""),
        ("dataset", "iterator"),
    ),
    OpWords(
        BoxClass.ELEMENTWISE,
        _words("""add addv2 addn biasadd sub rsub mul div realdiv divnonan neg pow sqrt rsqrt exp log log2 log10 log1p
            expm1 abs sign sin cos tan asin acos atan atan2 sinh cosh square reciprocal clamp clampmin clampmax clip
            clipbyvalue maximum minimum where selectv2 maskedfill lerp addcmul addcdiv round floor ceil trunc fmod mod
            remainder floordivide truedivide floordiv truncatediv eq ne lt le gt ge equal notequal less lessequal
            lessorequal greater greaterequal greaterorequal not and or xor isnan isinf isfinite nantonum heaviside
            squareddifference"""),
        ("logical", "bitwise"),
    ),
)
