"""A real S3 server on this machine, with credentials."""

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3


@dataclass
class S3:
    """A server, whose buckets are folders."""

    endpoint: str
    folder: Path
    key: str = field(default_factory=lambda: secrets.token_hex(10))
    secret: str = field(default_factory=lambda: secrets.token_hex(20))

    @property
    def env(self) -> dict[str, str]:
        """What a process needs to use it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    @cached_property
    def client(self) -> Any:
        """A client with the right credentials."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            region_name="us-east-1",
        )

    def keys(self, bucket: str) -> dict[str, int]:
        """Sizes of all objects that are to be seen in a bucket."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {one["Key"]: one["Size"] for page in pages for one in page.get("Contents", [])}


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def serving_s3(folder: Path) -> Iterator[S3]:
    """Serve a folder until the end of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = S3(endpoint=f"http://127.0.0.1:{port}", folder=folder)
    words = ["serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key"]
    process = subprocess.Popen(
        ["rclone", *words, f"{server.key},{server.secret}", str(folder)],
        env={**os.environ, "RCLONE_CONFIG": "/dev/null"},
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 300
        while not _listens(port):
            assert time.monotonic() < end, "the server did not come up"
            assert process.poll() is None, "the server has ended"
            time.sleep(0.05)
        yield server
        server.client.close()
    finally:
        process.kill()
        process.wait()
