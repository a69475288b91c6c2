"""Where the command line begins."""

import gc


def main() -> None:
    """Run the command line.

    What imports allocate stays until the end, so collecting garbage between them is a tenth of start-up for nothing.
    """
    gc.disable()
    from modelctl.shell import main as run

    gc.freeze()
    run()


if __name__ == "__main__":
    main()
