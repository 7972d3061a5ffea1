"""All benchmarks, one after the other."""

from benchmarks import loader, metrics, prepare, resize, train

for benchmark in (resize, metrics, prepare, loader, train):
    benchmark.main()
