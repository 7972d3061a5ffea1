"""All benchmarks, one after the other."""

from benchmarks import loader, metrics, resize, train

for benchmark in (resize, metrics, loader, train):
    benchmark.main()
