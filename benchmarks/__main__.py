"""All benchmarks, one after the other."""

from benchmarks import metrics, resize

for benchmark in (resize, metrics):
    benchmark.main()
