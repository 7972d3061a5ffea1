"""All benchmarks, one after the other."""

from benchmarks import resize

for benchmark in (resize,):
    benchmark.main()
