"""`python -m resnet_dsl` is the command `resnet-dsl`."""

from resnet_dsl.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
