"""All benchmarks, one after the other."""

from benchmarks import inference, loader, metrics, prepare, resize, startup, train

for benchmark in (startup, resize, metrics, prepare, loader, inference, train):
    benchmark.main()
