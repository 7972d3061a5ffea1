"""Passwords, tokens and signatures in addresses, which no message, log or note may show."""

import re

DATABASE = re.compile(r"""((?:postgres|mysql|mariadb|mssql|oracle)[\w+]*://)[^'"\n]*@""")
"""Name and password before a database's host; SQLAlchemy allows any character in a password."""
USER = re.compile(r"""(?<=://)[^/\s?#'"]*@""")
"""Name and password before another host."""
SECRET = re.compile(
    r"""([?&;#][^?&;#=\s'"]*(?:sig|token|secret|credential|pass|pwd|key|auth|policy|jwt|code)"""
    r"""[^?&;#=\s'"]*=)[^&;\s#'"()]+""",
    re.IGNORECASE,
)
"""A value of a query that lets its bearer in, as presigned addresses of S3, Azure and others do."""


def redact(text: str) -> str:
    """Text whose addresses have no credentials.

    >>> redact("no answer: https://me:secret@host/a.zip?X-Amz-Signature=12ab&part=1")
    'no answer: https://host/a.zip?X-Amz-Signature=...&part=1'
    """
    return SECRET.sub(r"\1...", USER.sub("", DATABASE.sub(r"\1", text)))
