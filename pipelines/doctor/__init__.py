"""What may be wrong with an installation, each with what to do about it.

Nothing is changed, nothing secret is said, and no host is waited for longer than two seconds.
"""
