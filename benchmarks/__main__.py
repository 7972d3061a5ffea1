"""All benchmarks, one after the other."""

from benchmarks import inference, loader, metrics, prepare, resize, train

for benchmark in (resize, metrics, prepare, loader, inference, train):
    benchmark.main()
