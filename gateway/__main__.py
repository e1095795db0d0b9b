"""The command ``gateway``, also as ``python -m gateway``."""

import sys


def main() -> None:
    """Run the command line, or print which package is missing."""
    try:
        from gateway import cli  # noqa: PLC0415 -- it may not be there

        cli.main()
    except ModuleNotFoundError as error:
        if not error.name or error.name.partition(".")[0] == "gateway":
            raise
        sys.exit(
            f"gateway: the command needs the package {error.name}, which is not "
            "installed: install accel-gateway[server]; gateway.links signs without it"
        )


if __name__ == "__main__":
    main()
