"""A loss of one's own: squared error that large misses do not rule."""


def huber(score, batch, delta=0.5):
    miss = (score - batch.target).abs()
    return (miss.square() / 2).where(miss < delta, delta * (miss - delta / 2)).mean(1)
