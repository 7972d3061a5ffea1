"""Removes passwords, tokens and signatures from addresses in messages, logs and files."""

import re

DATABASE = re.compile(r"""((?:postgres|mysql|mariadb|mssql|oracle)[\w+]*://)[^'"\n]*@""")
"""User and password of a database; SQLAlchemy allows any character in a password."""
USER = re.compile(r"""(?<=://)[^/\s?#'"]*@""")
"""User and password of another host."""
SECRET = re.compile(
    r"""([?&;#][^?&;#=\s'"]*(?:sig|token|secret|credential|pass|pwd|key|auth|policy|jwt|code)"""
    r"""[^?&;#=\s'"]*=)[^&;\s#'"()]+""",
    re.IGNORECASE,
)
"""Credentials in a query, as in presigned addresses of S3 and Azure."""


def redact(text: str) -> str:
    """Remove credentials from all addresses in a text.

    >>> redact("no answer: https://me:secret@host/a.zip?X-Amz-Signature=12ab&part=1")
    'no answer: https://host/a.zip?X-Amz-Signature=...&part=1'
    """
    return SECRET.sub(r"\1...", USER.sub("", DATABASE.sub(r"\1", text)))
