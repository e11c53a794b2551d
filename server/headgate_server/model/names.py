"""Names for what nobody has named."""

from random import choice
from typing import Final

_ADJECTIVES: Final = tuple(
    """
    agile amber ample apt azure blithe bold brave breezy bright brisk bronze calm candid careful cheerful clear
    clever copper coral cosy crisp curious daring deft diligent eager early earnest elegant fair fearless fleet
    fluent fond frank fresh gallant generous gentle genuine glad golden graceful grand grateful happy hardy
    hearty helpful honest humble ivory jolly jovial keen kind lively loyal lucid lucky lunar mellow merry mild
    modest neat nimble noble orderly patient peaceful placid playful pleasant plucky polished polite precise
    proud prudent quick quiet rapid ready robust rosy ruby rustic sage scarlet serene silver sincere smart snug
    solar sonic spry steady sturdy subtle sunny swift tidy tranquil upbeat vivid warm whimsical wise witty zesty
    """.split()  # noqa: SIM905  a word a line would be three screens
)
_NOUNS: Final = tuple(
    """
    acorn alder alpaca antelope aspen aurora badger bantam beaver beech bison bluebird breeze brook caribou
    cedar cicada clover comet condor coral cormorant cove crane cricket curlew cypress dahlia dolphin dove
    dragonfly dune egret elk elm ember falcon fern finch fjord fox gazelle gecko gibbon glacier goldfinch grove
    gull hare harbor hawk hazel heron hickory ibex ibis iris island jackdaw jaguar juniper kestrel kingfisher
    koala lagoon lark laurel lemur lichen lily lynx magpie mallard maple marmot marten meadow mongoose moose
    moss narwhal nightingale oak ocelot orchid oriole osprey otter owl panda peacock pebble pelican penguin pine
    plover poplar puffin quail quartz raven reef robin salmon sandpiper sequoia sparrow spruce starling swallow
    swan tern thrush toucan tulip turtle walnut walrus willow wombat wren yak yarrow zebra
    """.split()  # noqa: SIM905  a word a line would be three screens
)


def random_name() -> str:
    """Return an adjective and a noun joined by a dash. Not unique."""
    # Nobody gains by guessing a name.
    return f"{choice(_ADJECTIVES)}-{choice(_NOUNS)}"  # noqa: S311
