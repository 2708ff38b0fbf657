"""What a process of a run does that was forked from the one that collected (xdist runs this file's text there)."""

if __name__ == "__channelexec__":
    from tests.spread import collected

    collected.run(channel)  # type: ignore[name-defined]  # noqa: F821 - execnet's
